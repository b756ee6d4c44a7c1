"""Runs `python -m retrain`, and the command `retrain` of an installed package."""

TYPE_CHECKING = False  # typing takes 2 ms to import, and `--help` answers at once
if TYPE_CHECKING:
    from typing import NoReturn

try:
    from label_image.program import run_program
except KeyboardInterrupt:  # too early to print a message
    raise SystemExit(130) from None


def main() -> "NoReturn":
    """Runs the program as the whole process, which ends with its exit status."""
    run_program("retrain.cli")


if __name__ == "__main__":
    main()
