"""`python -m retrain.doctor` and `--version`: what they say, here and where something is missing."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tempfile

import pytest

from label_image import version
from label_image.extras import install
from retrain import doctor
from retrain.doctor import Requirement, instruction_sets, requirements, within
from tests.conftest import ROOT, run_module
from tests.test_light import without  # noqa: F401 - a fixture


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """Runs the doctor in an empty folder: (exit status, lines)."""
    monkeypatch.chdir(tmp_path)

    def run():
        status = doctor.main([])
        return status, capsys.readouterr().out.splitlines()

    return run


def test_where_all_is_there_it_says_so_and_ends_with_0(tmp_path):
    done = run_module("retrain.doctor", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"tensorflow-for-poets {version.version()} (a checkout)"
    assert lines[-1] == "ready: python -m retrain --image_dir YOUR_PHOTOS"
    assert f"  numpy {importlib.metadata.version('numpy')}" in lines
    assert any(line.startswith("processor: ") and line.endswith("for this process") for line in lines)
    assert any(line.startswith("tf_files: can be written") for line in lines)
    assert list(tmp_path.iterdir()) == []  # it leaves nothing


@pytest.mark.parametrize(("module", "package"), [("PIL", "pillow"), ("numpy", "numpy")])
def test_a_package_that_does_not_load_is_a_problem_and_no_traceback(without, module, package):  # noqa: F811
    done = without([module], "retrain.doctor")
    assert (done.returncode, done.stderr) == (1, "")
    assert f"problem: {package}: it does not load (No module named '{module}" in done.stdout
    assert done.stdout.endswith("\nnot ready\n")


def test_a_package_that_is_missing_or_of_another_version_is_a_problem_with_its_command(said, monkeypatch):
    base = [Requirement("no-such-package", ">=1,<2"), Requirement("pillow", ">=1000")]
    monkeypatch.setattr(doctor, "requirements", lambda: {"": base})
    status, lines = said()
    assert status == 1
    assert "problem: no-such-package: not installed; pip install 'no-such-package>=1,<2'" in lines
    assert any(line.startswith("problem: pillow: ") and " is not within >=1000;" in line for line in lines)


def test_an_extra_that_is_missing_is_named_with_its_command_and_is_no_problem(said, monkeypatch):
    extras = {"": [], "heic": [Requirement("no-such-package", "")], "test": [Requirement("no-such-package", "")]}
    monkeypatch.setattr(doctor, "requirements", lambda: extras)
    status, lines = said()
    assert status == 0
    assert f"  heic (HEIC photos of iPhones): no-such-package missing; {install('heic')}" in lines
    assert not any(line.startswith("  test") for line in lines)


def test_a_folder_that_cannot_be_written_is_a_problem(said, monkeypatch):
    def refused(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    status, lines = said()
    assert status == 1
    assert any(
        line.startswith("problem: ") and "tf_files cannot be written: Permission denied" in line for line in lines
    )


def test_tf_files_that_is_a_file_is_a_problem(said, tmp_path):
    (tmp_path / "tf_files").write_text("")
    assert said()[0] == 1


def test_an_unsupported_python_is_a_problem(said, monkeypatch):
    monkeypatch.setattr(doctor, "python_bounds", lambda: ">=4.0")
    status, lines = said()
    assert status == 1
    assert any(line.endswith("is not within >=4.0; use another Python") for line in lines)


def test_a_word_that_means_nothing_is_refused(tmp_path):
    done = run_module("retrain.doctor", "please", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "doctor: 'please' belongs to no flag; leave it out\n")


def test_the_requirements_of_a_checkout_and_of_an_installed_package_are_read_alike(monkeypatch):
    checkout = requirements()
    assert {"numpy", "pillow", "ai-edge-litert"} <= {asked.package for asked in checkout[""]}
    lines = [
        "numpy<3,>=1.26",
        'tensorflow<2.23,>=2.20; extra == "tensorflow"',
        "tensorflow-for-poets[tensorflow]; extra == 'onnx'",
        "tf2onnx (>=1.17) ; extra == 'onnx'",
    ]
    monkeypatch.setattr(doctor, "checkout_version", lambda: "")
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: lines)
    tensorflow = Requirement("tensorflow", "<2.23,>=2.20")
    assert requirements() == {
        "": [Requirement("numpy", "<3,>=1.26")],
        "tensorflow": [tensorflow],
        "onnx": [tensorflow, Requirement("tf2onnx", ">=1.17")],
    }
    assert install("onnx") == "pip install 'tensorflow-for-poets[onnx]'"


@pytest.mark.parametrize(
    ("installed", "bounds", "inside"),
    [
        ("1.26", ">=1.26,<3", True),
        ("3.0.0", ">=1.26,<3", False),
        ("2.21.0rc1", ">=2.20,<2.23", True),
        ("10.2", ">=9.9", True),
        ("1.9", "", True),
    ],
)
def test_versions_are_compared_by_number(installed, bounds, inside):
    assert within(installed, bounds) is inside


def test_instruction_sets_of_arm_are_known_too():
    assert instruction_sets("Features\t: fp asimd asimddp\n") == ["asimd", "asimddp"]
    assert instruction_sets("") == []


@pytest.mark.parametrize("program", ["retrain", "label_image", "retrain.doctor", "retrain.compare"])
def test_version_names_the_program_its_version_the_packages_and_the_processor(program, tmp_path):
    done = run_module(program, "--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    first, packages, machine = done.stdout.splitlines()
    assert first == f"{program} {version.version()}"
    for package, name in (("numpy", "NumPy"), ("pillow", "Pillow"), ("ai-edge-litert", "LiteRT")):
        assert f"{name} {importlib.metadata.version(package)}" in packages
    assert "TensorFlow " in packages
    assert version.processor() in machine


@pytest.mark.parametrize("program", ["retrain", "label_image"])
def test_version_imports_no_package_that_it_tells_of(program):
    code = (
        f"import sys\nfrom {program}.cli import main\ntry:\n    main(['--version'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'numpy', 'PIL', 'ai_edge_litert', 'tensorflow'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_version_reads_nothing():
    code = "import sys, label_image.version; assert 'importlib.metadata' not in sys.modules and 'platform' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_the_version_is_the_checkouts_else_the_installed_packages(tmp_path, monkeypatch):
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = another\nversion = 9\n")
    assert version.checkout_version(str(tmp_path)) == ""
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = tensorflow-for-poets\nversion = 9.8\n[x]\nversion = 7\n")
    assert version.checkout_version(str(tmp_path)) == "9.8"
    monkeypatch.setattr(version, "checkout_version", lambda: "")
    monkeypatch.setattr(version, "package_version", lambda name: "1.2.3" if name == version.NAME else "")
    assert version.version() == "1.2.3"
    assert "TensorFlow not installed" in version.version_text("retrain")
