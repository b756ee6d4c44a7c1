"""Imports point down: read from the sources with ast, so that nothing has to run."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, run_module

FILES = sorted([*ROOT.glob("label_image/**/*.py"), *ROOT.glob("retrain/**/*.py")])
# Who may import TensorFlow, Keras or TF-Hub, at any place of the file; `label_image.quiet` is how the others get it.
TENSORFLOW_FILES = {
    "label_image/quiet.py",
    "label_image/runners/tensorflow.py",
    "retrain/backbones/frozen_graph.py",
    "retrain/backbones/network_keras.py",
}
HEAVY = {"tensorflow", "tensorflow_hub", "keras", "tf_keras"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, top_level: bool) -> set[str]:
    """Modules that a file imports; with top_level only those imported when it is."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_level else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def test_label_image_never_imports_retrain():
    guilty = [
        str(p)
        for p in FILES
        if p.is_relative_to(ROOT / "label_image")
        and any(i.split(".")[0] == "retrain" for i in imports(p, top_level=False))
    ]
    assert guilty == []


def test_tensorflow_is_imported_by_the_files_named_and_no_other():
    users = {
        p.relative_to(ROOT).as_posix()
        for p in FILES
        if any(i.split(".")[0] in HEAVY for i in imports(p, top_level=False))
    }
    assert users == TENSORFLOW_FILES


def test_gradio_is_imported_late_by_the_page_and_nobody_else():
    users = [p for p in FILES if any(i.split(".")[0] == "gradio" for i in imports(p, top_level=False))]
    assert users == [ROOT / "label_image/demo/gradio_page.py"]
    assert not [i for i in imports(users[0], top_level=True) if i.startswith("gradio")]


def test_no_file_imports_tensorflow_when_it_is_imported():
    assert [str(p) for p in FILES if any(i.split(".")[0] in HEAVY for i in imports(p, top_level=True))] == []


def test_there_is_no_circle_of_imports():
    names = {module_name(p): p for p in FILES if p.stem != "__init__"}  # a package's face only passes on, late
    graph = {name: {i for i in imports(p, top_level=False) if i in names and i != name} for name, p in names.items()}
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            for other in graph[name]:
                visit(other, [*path, name])
            done.add(name)

    for name in graph:
        visit(name, [])


@pytest.mark.parametrize("name", ["utils", "common", "helpers", "misc"])
def test_nobody_needs_a_drawer(name):
    assert [p for p in FILES if p.stem == name] == []


def test_importing_label_image_imports_nothing_heavy(tmp_path):
    code = "import sys, label_image; from label_image import UserError; print(sorted({m.split('.')[0] for m in sys.modules}))"
    (tmp_path / "probe.py").write_text(code)
    seen = run_module("probe", cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    assert seen.returncode == 0, seen.stderr
    assert not {"tensorflow", "numpy", "PIL", "ai_edge_litert"} & set(ast.literal_eval(seen.stdout))


def test_every_name_the_package_offers_can_be_imported():
    import label_image

    for name in label_image.__all__:
        assert getattr(label_image, name)
    assert "label_image" in sys.modules
