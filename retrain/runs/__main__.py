"""Starts `python -m retrain.runs`."""

try:
    from label_image.program import run_program
except KeyboardInterrupt:  # Ctrl-C before the code that reports it is imported
    raise SystemExit(130) from None

run_program("retrain.runs.cli")
