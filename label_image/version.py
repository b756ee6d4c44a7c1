"""Returns the versions of this project and of the packages that it uses, and the name of the processor. Imports none of the packages."""

from __future__ import annotations

import os
import sys

NAME = "tensorflow-for-poets"  # the name of the distribution
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib takes 3 ms to import
_CPUINFO = "/proc/cpuinfo"  # Linux
_PACKAGES = (("numpy", "NumPy"), ("pillow", "Pillow"), ("ai-edge-litert", "LiteRT"))
TENSORFLOWS = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-macos",
    "tf-nightly",
)  # the distributions that contain TensorFlow


def version() -> str:
    """Returns the version of this project: of the checkout that contains the code, otherwise of the installed package."""
    return checkout_version() or package_version(NAME) or "(version unknown: it is neither installed nor a checkout)"


def checkout_version(root: str = "") -> str:
    """Returns the version in the setup.cfg next to the code; "" if there is none, as in an installed package."""
    try:
        with open(os.path.join(root or _ROOT, "setup.cfg"), encoding="utf-8") as file:  # noqa: PTH118, PTH123 - as above
            lines = [line.partition("=") for line in file]
    except (OSError, UnicodeError):
        return ""
    found = {key.strip(): value.strip() for key, equals, value in reversed(lines) if equals}  # the first of each counts
    return found.get("version", "") if found.get("name") == NAME else ""


def package_version(package: str) -> str:
    """Returns the version of a package without importing it; "" if it is not installed."""
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def processor() -> str:
    """Returns the name of the processor, if the system provides it.

    >>> bool(processor())
    True
    """
    import platform

    try:
        with open(_CPUINFO, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
            for line in file:
                key, _, name = line.partition(":")
                if key.strip() in ("model name", "Model") and name.strip():
                    return name.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def version_text(program: str) -> str:
    """Formats the three lines that `--version` prints.

    Args:
      program: its name, such as "label_image".
    """
    import platform

    tensorflow = next(filter(None, map(package_version, TENSORFLOWS)), "")
    libraries = [f"{name} {package_version(package) or 'not installed'}" for package, name in _PACKAGES]
    return "\n".join(
        (
            f"{program} {version()}",
            ", ".join(
                (f"Python {platform.python_version()}", *libraries, f"TensorFlow {tensorflow or 'not installed'}")
            ),
            f"{platform.system()} {platform.machine()}, {processor()}",
        )
    )


def program_name(started_as: str) -> str:
    """Returns the name of a program from the command that starts it.

    >>> program_name("python -m label_image")
    'label_image'
    """
    return started_as.rsplit(maxsplit=1)[-1] if started_as.split() else sys.argv[0]
