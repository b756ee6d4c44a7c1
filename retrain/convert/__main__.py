"""Runs `python -m retrain.convert`."""

try:
    from label_image.program import run_program
except KeyboardInterrupt:  # too early to print a message
    raise SystemExit(130) from None

run_program("retrain.convert.cli")
