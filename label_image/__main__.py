"""Runs `python -m label_image`, and the command `label_image` of an installed package."""

TYPE_CHECKING = False  # typing takes 2 ms to import, and `--help` answers at once
if TYPE_CHECKING:
    from typing import NoReturn

try:
    from label_image.program import run_program
except KeyboardInterrupt:  # so early that no code can report it
    raise SystemExit(130) from None


def main() -> "NoReturn":
    """Runs the program as the whole process, which ends with its exit status."""
    run_program("label_image.cli")


if __name__ == "__main__":
    main()
