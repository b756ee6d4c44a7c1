"""`python -m retrain.convert`."""

try:
    from label_image.program import run_program
except KeyboardInterrupt:  # so early that nobody can say it
    raise SystemExit(130) from None

run_program("retrain.convert.cli")
