"""Implements `python -m retrain.doctor`, which says whether this machine is ready, and what is missing.

It trains nothing and needs no package, so that it also runs in an incomplete installation. The requirements are those
of the installed package, or of the setup.cfg beside the code.
"""

from __future__ import annotations

import configparser
import importlib
import importlib.metadata
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import UserError
from label_image.extras import install
from label_image.flags import parse
from label_image.program import exit_status, run_program
from label_image.terminal import say
from label_image.version import NAME, TENSORFLOWS, checkout_version, package_version, processor, version
from label_image.workers import cores

PROGRAM = "python -m retrain.doctor"
_ROOT = Path(__file__).resolve().parents[1]
_OUTPUT = Path("tf_files")
_NOT_FOR_USERS = ("test", "check", "bench", "all")  # extras for development, which no program of ours needs
# The purpose of each extra; an extra that is not named here is listed without it.
_PURPOSES = {
    "tensorflow": "training more than the last layer, GPUs, SavedModel and Keras files, TF-Hub modules",
    "onnx": "--export onnx",
    "demo": "the page of python -m label_image.demo",
    "heic": "HEIC photos of iPhones",
    "lite1": "--architecture efficientnet_lite1",
    "lite2": "--architecture efficientnet_lite2",
    "hub": "hub.load of our SavedModels by other programs",
}
_LOADED = {"numpy": "numpy", "pillow": "PIL.Image", "ai-edge-litert": "ai_edge_litert.interpreter"}  # package -> module
# Instruction sets that make the networks faster, as /proc/cpuinfo names them: of x86, then of ARM.
_INSTRUCTIONS = (
    "sse4_2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimdhp", "asimddp", "i8mm", "sve",
)  # fmt: skip


@dataclass(frozen=True)
class DoctorCommand:
    """Says whether this machine is ready for python -m retrain, and what is missing. The exit status is 0 if it is ready, else 1."""


@dataclass(frozen=True)
class Requirement:
    """A required package."""

    package: str
    bounds: str  # such as ">=1.26,<3"

    @property
    def installed(self) -> str:
        """Returns the installed version; "" if the package is not installed."""
        names = TENSORFLOWS if self.package == "tensorflow" else (self.package,)
        return next(filter(None, map(package_version, names)), "")

    @property
    def fits(self) -> bool:
        """Tells whether the installed version is within the bounds."""
        return bool(self.installed) and within(self.installed, self.bounds)


def main(argv: Sequence[str]) -> int:
    """Runs `python -m retrain.doctor`; returns 0 if the main job can run here, else 1."""

    def work() -> int:
        _, words = parse(DoctorCommand, argv, PROGRAM)
        if words:
            raise UserError(f"{words[0]!r} belongs to no flag; leave it out")
        problems: list[str] = []
        for line in (*_machine(problems), *_packages(problems), *_extras(), *_places(problems)):
            say(line)
        say("")
        for problem in problems:
            say(f"problem: {problem}")
        say("not ready" if problems else "ready: python -m retrain --image_dir YOUR_PHOTOS")
        return 1 if problems else 0

    return exit_status("doctor", work)


def _machine(problems: list[str]) -> Iterator[str]:
    """Describes this project, Python, the processor and the memory; adds an unsupported Python to the problems."""
    yield f"{NAME} {version()}{' (a checkout)' if checkout_version() else ''}"
    yield f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    if not within(platform.python_version(), python_bounds()):
        problems.append(f"Python {platform.python_version()} is not within {python_bounds()}; use another Python")
    yield f"processor: {processor()}, {cores()} cores for this process"
    found = instruction_sets(_text("/proc/cpuinfo"))
    if found:
        yield f"instruction sets: {', '.join(found)}"
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)
    free = re.search(r"^MemAvailable:\s*(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)
    if memory and free:
        yield f"memory: {int(memory[1]) / 2**20:.1f} GiB, {int(free[1]) / 2**20:.1f} GiB available"


def _packages(problems: list[str]) -> Iterator[str]:
    """Lists the packages of the base installation with their versions; adds missing or wrong ones to the problems."""
    yield ""
    yield "packages:"
    for asked in requirements().get("", []):
        wrong = _fault(asked)
        yield f"  {asked.package} {asked.installed or 'not installed'}{f': {wrong}' if wrong else ''}"
        if wrong:
            problems.append(f"{asked.package}: {wrong}; pip install '{asked.package}{asked.bounds}'")


def _fault(asked: Requirement) -> str:
    """Describes what is wrong with a package; "" if nothing is."""
    if not asked.installed:
        return "not installed"
    if not asked.fits:
        return f"{asked.installed} is not within {asked.bounds}"
    module = _LOADED.get(asked.package.lower())
    if module:
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken library may raise any exception
            return f"it does not load ({' '.join(str(error).split())[:200]})"
    return ""


def _extras() -> Iterator[str]:
    """Lists the extras with their purpose, and the command to install those that are missing."""
    yield ""
    yield "extras:"
    whole = requirements()
    for extra in whole:
        if not extra or extra in _NOT_FOR_USERS:
            continue
        missing = [asked.package for asked in whole[extra] if not asked.fits]
        purpose = f" ({_PURPOSES[extra]})" if extra in _PURPOSES else ""
        if missing:
            yield f"  {extra}{purpose}: {', '.join(missing)} missing; {install(extra)}"
        else:
            yield f"  {extra}{purpose}: installed"
    yield f"GPU: {_gpu()}"


def _gpu() -> str:
    """Says whether there is a GPU, as far as that is known without importing TensorFlow, which takes seconds."""
    driver = bool(shutil.which("nvidia-smi")) or Path("/dev/nvidia0").exists()
    if not any(map(package_version, TENSORFLOWS)):
        return "an NVIDIA driver is here; TensorFlow is needed to use it" if driver else "not used without TensorFlow"
    if driver:
        return "an NVIDIA driver is here; python -m retrain --device=gpu says whether TensorFlow can use it"
    return "no NVIDIA driver found; the CPU is used"


def _places(problems: list[str]) -> Iterator[str]:
    """Says whether results can be written here, and how much disk space is free."""
    folder = _OUTPUT if _OUTPUT.exists() else Path()
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = f"{_OUTPUT.absolute()} cannot be written: {error.strerror or error}"
        problems.append(f"{why}; change to another folder, or change its permissions")
        yield f"{_OUTPUT}: cannot be written"
    else:
        yield f"{_OUTPUT}: can be written, {shutil.disk_usage(folder).free / 1e9:,.1f} GB free"


def requirements() -> dict[str, list[Requirement]]:
    """Returns the required packages: extra -> packages; "" is the base installation."""
    lines = _lines_of_checkout() if checkout_version() else _lines_of_package()
    found: dict[str, list[Requirement]] = {"": []}
    for extra, line in lines:
        own = re.match(rf"{NAME}\[([\w,-]+)\]", line)
        asked = [one for name in own[1].split(",") for one in found.get(name, [])] if own else [_requirement(line)]
        found.setdefault(extra, []).extend(asked)
    return found


def python_bounds() -> str:
    """Returns the supported Python versions, such as ">=3.10,<3.14"; "" if they are unknown."""
    if checkout_version():
        return _setup().get("options", "python_requires", fallback="")
    try:
        return importlib.metadata.metadata(NAME)["Requires-Python"] or ""
    except importlib.metadata.PackageNotFoundError:
        return ""


def _setup() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read(_ROOT / "setup.cfg", "utf-8")
    return config


def _lines_of_checkout() -> list[tuple[str, str]]:
    """Yields (extra, requirement) from the setup.cfg next to the code."""
    config = _setup()
    parts = {"": config.get("options", "install_requires", fallback="")}
    if config.has_section("options.extras_require"):
        parts |= dict(config.items("options.extras_require"))
    split = [(extra, line.strip()) for extra, text in parts.items() for line in text.splitlines()]
    return [(extra, line) for extra, line in split if line and not line.startswith("#")]


def _lines_of_package() -> list[tuple[str, str]]:
    """Yields (extra, requirement) from the installed package."""
    try:
        asked = importlib.metadata.requires(NAME) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = []
    for line in asked:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"""extra\s*==\s*["']([\w-]+)["']""", marker)
        found.append((extra[1] if extra else "", requirement.strip()))
    return found


def _requirement(line: str) -> Requirement:
    """Parses a requirement.

    >>> _requirement("numpy<3,>=1.26")
    Requirement(package='numpy', bounds='<3,>=1.26')
    """
    package = re.match(r"[\w.-]+", line)
    name = package[0] if package else line
    return Requirement(name, re.sub(r"^\[[^]]*\]|\s|\(|\)", "", line[len(name) :]))


def within(installed: str, bounds: str) -> bool:
    """Tells whether a version is within bounds; compares the numbers at its beginning.

    >>> within("2.21.0rc1", ">=2.20,<2.23"), within("3.0", ">=1.26,<3"), within("1.9", ">=1.26")
    (True, False, False)
    """
    number = _numbers(installed)
    for operator, bound in re.findall(r"(>=|<=|==|!=|~=|<|>)([\d.]+)", bounds):
        other = _numbers(bound)
        longest = max(len(number), len(other))
        here, there = (part + [0] * (longest - len(part)) for part in (number, other))
        allowed = {">=": here >= there, "<=": here <= there, "<": here < there, ">": here > there, "==": here == there}
        if not allowed.get(operator, True):
            return False
    return True


def _numbers(text: str) -> list[int]:
    start = re.match(r"\d+(?:\.\d+)*", text)
    return [int(part) for part in start[0].split(".")] if start else []


def instruction_sets(cpuinfo: str) -> list[str]:
    """Finds the instruction sets of _INSTRUCTIONS that a processor has, in the text of /proc/cpuinfo.

    >>> instruction_sets("flags\\t\\t: fpu avx2 fma sse4_2")
    ['sse4_2', 'fma', 'avx2']
    """
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", cpuinfo, re.MULTILINE)
    there = set(flags[1].split()) if flags else set()
    return [name for name in _INSTRUCTIONS if name in there]


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


if __name__ == "__main__":
    run_program("retrain.doctor")
