"""Builds the sdist and the wheel, installs the wheel in an empty environment outside the repository, and does the main job there.

python tools/wheel.py                     with this Python
python tools/wheel.py --python python3.10

The sdist is made of what git knows, and must hold all of it; the wheel is made of the sdist. In the environment there is nothing but
the light install: sample pictures are drawn, a classifier is trained, and one of them is labelled with the installed commands.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARIES = "Scripts" if os.name == "nt" else "bin"
_GENERATED = ("PKG-INFO", "setup.cfg")  # setuptools writes these into each sdist
_BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_{}(sys.argv[1]))"
_MOST_MB = 400  # of the light install


def main(argv: Sequence[str]) -> int:
    """Does it all; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="the Python of the empty environment")
    python = parser.parse_args(argv).python
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder).resolve()
        sources = _copied(scratch / "sources")
        builder = _environment(python, scratch / "builder")
        _install(builder, "setuptools>=68")
        sdist = _built("sdist", builder, sources, scratch)
        unpacked = _unpacked(sdist, sources, scratch / "unpacked")
        wheel = _built("wheel", builder, unpacked, scratch)
        print(f"built {sdist.name} ({_mb(sdist):.1f} MB) and {wheel.name} ({_mb(wheel):.1f} MB)", flush=True)
        _collect_tests(unpacked)
        installed = scratch / "installed"
        _install_light(python, wheel, installed)
        _main_job(installed / BINARIES, scratch / "elsewhere")
    print("wheel: all well")
    return 0


def _copied(folder: Path) -> Path:
    """A copy of the files that git knows; in an unpacked sdist, of all files."""
    git = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if (ROOT / ".git").exists():
        names = [Path(name) for name in subprocess.check_output(git, text=True).split("\0") if name]
    else:
        names = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def _environment(python: str, folder: Path) -> Path:
    """A new environment without packages; its Python."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    return folder / BINARIES / "python"


def _install(inside: Path, package: str) -> None:
    """Installs a package with what it needs."""
    subprocess.run([str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package], check=True)


def _install_light(python: str, wheel: Path, folder: Path) -> None:
    """Installs the wheel in a new environment, and says how long it took and how much it is beside pip itself."""
    inside = _environment(python, folder)
    before = sum(map(_mb, folder.rglob("*")))
    start = time.monotonic()
    _install(inside, str(wheel))
    seconds, megabytes = time.monotonic() - start, sum(map(_mb, folder.rglob("*"))) - before
    print(f"installed in {seconds:.0f} s, {megabytes:.0f} MB", flush=True)
    if megabytes > _MOST_MB:
        raise SystemExit(f"wheel: the light install has more than {_MOST_MB} MB")


def _built(what: str, builder: Path, sources: Path, folder: Path) -> Path:
    """The sdist or the wheel of a source tree."""
    run = subprocess.run(
        [str(builder), "-c", _BUILD.format(what), str(folder)], cwd=sources, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise SystemExit(f"wheel: cannot build the {what}:\n{run.stdout}{run.stderr}")
    return folder / run.stdout.split()[-1]


def _unpacked(sdist: Path, sources: Path, folder: Path) -> Path:
    """The sdist's folder, which holds every file of the sources."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(folder)
    (inside,) = folder.iterdir()
    missing = sorted(_files(sources) - _files(inside) - set(_GENERATED))
    if missing:
        raise SystemExit(f"wheel: the sdist lacks {', '.join(missing[:10])}; see MANIFEST.in")
    return inside


def _files(folder: Path) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if ".egg-info/" not in name}


def _collect_tests(unpacked: Path) -> None:
    """Imports all test files of the sdist, where there is pytest; those of imports and documents are run."""
    pytest = [sys.executable, "-m", "pytest", "-n", "0", "-q"]
    if subprocess.run([*pytest, "--version"], capture_output=True, check=False).returncode:
        print("the sdist's tests are not looked at: pytest is not installed here", flush=True)
        return
    for words in (["--collect-only"], ["tests/test_imports.py", "tests/test_docs.py"]):
        run = subprocess.run([*pytest, *words], cwd=unpacked, capture_output=True, text=True, check=False)
        if run.returncode:
            raise SystemExit(f"wheel: the sdist's tests do not run:\n{run.stdout[-4000:]}{run.stderr[-4000:]}")
    print("the sdist's tests are found, and two files of them pass", flush=True)


def _main_job(binaries: Path, folder: Path) -> None:
    """Draws, trains, labels with what is installed, from a folder where there is nothing else."""
    folder.mkdir()
    python, retrain, label_image = (str(binaries / name) for name in ("python", "retrain", "label_image"))
    where = _said([python, "-c", "import retrain, label_image; print(retrain.__file__, label_image.__file__)"], folder)
    if str(ROOT) in where or where.count("site-packages") != len(where.split()):
        raise SystemExit(f"wheel: the programs come from {where}")
    _said([python, "-m", "retrain.samples", "--out", "flowers"], folder)
    start = time.monotonic()
    told = _said([retrain, "--image_dir", "flowers", "--eval_step_interval", "500"], folder)
    print(f"$ retrain --image_dir flowers    ({time.monotonic() - start:.0f} s)", *told.splitlines()[-14:], sep="\n")
    answer = _said([label_image, "--image", "flowers/daisy/daisy_001.jpg"], folder)
    print("$ label_image --image flowers/daisy/daisy_001.jpg", answer, sep="\n", flush=True)
    best = next(line for line in answer.splitlines() if "(score=" in line)
    if not best.startswith("daisy "):
        raise SystemExit(f"wheel: a drawn daisy is labelled {best}")
    made = ("retrained.tflite", "retrained_graph.pb", "retrained_labels.txt")
    lacking = [name for name in made if not (folder / "tf_files" / name).is_file()]
    if lacking or not list(folder.glob("tf_files/runs/*/report.html")):
        raise SystemExit(f"wheel: the run did not leave {', '.join(lacking) or 'a report'}")
    for command, module in ((retrain, "retrain"), (label_image, "label_image")):
        if _said([command, "--help"], folder) != _said([python, "-m", module, "--help"], folder):
            raise SystemExit(f"wheel: {module} --help and python -m {module} --help differ")


def _said(command: list[str], folder: Path) -> str:
    """What a command prints; it must end well."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    run = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"wheel: {' '.join(command)} ended with {run.returncode}:\n{run.stdout}{run.stderr}")
    return run.stdout


def _mb(path: Path) -> float:
    """Megabytes on the disk; a link to a file counts as none."""
    return 0 if path.is_symlink() or not path.is_file() else path.stat().st_size / 1e6


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
