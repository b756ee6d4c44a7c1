"""Starts `python -m label_image.demo`."""

try:
    from label_image.program import run_program
except KeyboardInterrupt:  # so early that no code can report it
    raise SystemExit(130) from None

run_program("label_image.demo.cli")
