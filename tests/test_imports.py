"""Imports point down: read from the sources with ast, so that nothing has to run."""

from __future__ import annotations

import ast
import functools
import importlib
from collections import Counter
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
# Each room of retrain/ may import those that stand before it, and none behind it
ORDER = (
    "console", "clock", "types", "files", "store", "formats", "progress", "metrics",  # what everybody may use
    "data", "features", "networks", "backbones", "exporters", "options", "head", "audit", "runs", "report", "finetune",
    "pipeline", "__init__",  # the job, and its public interface
    "cli", "__main__", "convert", "compare", "cache", "samples", "flower_photos", "doctor",  # commands
)  # fmt: skip
# File names that stand in more than one folder, because they mean the same there
SAME_NAME = {
    "__init__": "Python's",
    "__main__": "Python's",
    "cli": "the command line of the folder's program",
    "table": "the rows of the folder, and how one is found; of `convert` and `compare`, a table of text",
    "exports": "options of the exports, and the stage that writes them",
    "network": "options of the network, the stage that finds or trains it, and a Keras file's network",
    "photos": "the stage that finds the photos, and those that a report shows",
    "run": "options of the run, and the run itself",
    "folder": "how the folder of an export, or of a run, is made",
    "layer": "one layer: how a Keras file describes it, and the stage that trains the last one",
    "layers": "several of them: those that Keras files may hold, and those that are trained",
    "weights": "the weights of a network: of a Keras file, and of a backbone",
    "graph": "of the kind `.pb`: what its graph shows, and its export",
    "graph_def": "of the kind `.pb`: its row, and how a GraphDef is written",
    "onnx": "of the kind `.onnx`: its row, its runner, its export",
    "saved_model": "of the kind SavedModel: its row, what it shows, its runner, its export",
    "tflite": "of the kind `.tflite`: its row, what it shows, its export",
    "sizes": "the sizes that an input takes: as a graph shows them, and as a runner asks for them",
    # To be renamed with the plain words of their folders
    "cache": "the command that looks after the kept features, and the kept audits",
    "findings": "what an audit finds, and what a comparison finds",
}
HEAVY = {"tensorflow", "tensorflow_hub", "keras", "tf_keras"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
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


@pytest.mark.parametrize("package", ["label_image", "retrain"])
def test_every_name_that_a_package_offers_is_one_of_ours(package):
    face = importlib.import_module(package)
    assert len(set(face.__all__)) == len(face.__all__) > 3
    for name in face.__all__:
        assert getattr(face, name).__module__.split(".")[0] in ("label_image", "retrain")
        assert getattr(face, name).__name__ == name
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = face.no_such_name


def room_of(module: str) -> str:
    """The folder of retrain/, or the file directly in it, that holds a module."""
    parts = module.split(".")
    if len(parts) > 1 and ((ROOT / "retrain" / parts[1]).is_dir() or (ROOT / "retrain" / f"{parts[1]}.py").is_file()):
        return parts[1]
    return "__init__"


def test_every_room_of_retrain_has_its_place_in_the_order():
    rooms = {
        p.relative_to(ROOT / "retrain").with_suffix("").parts[0] for p in FILES if p.is_relative_to(ROOT / "retrain")
    }
    assert sorted(ORDER) == sorted(rooms)


def test_imports_point_down_between_the_rooms_of_retrain():
    upward = []
    for path in (p for p in FILES if p.is_relative_to(ROOT / "retrain")):
        own = path.relative_to(ROOT / "retrain").with_suffix("").parts[0]
        used = {i for i in imports(path, top_level=False) if i.split(".")[0] == "retrain"} - {"retrain"}
        upward += [f"{module_name(path)} -> {i}" for i in used if ORDER.index(room_of(i)) > ORDER.index(own)]
    assert sorted(upward) == []


def test_a_dozen_files_at_most_stand_directly_in_retrain():
    assert len(list((ROOT / "retrain").glob("*.py"))) <= 12


def test_no_file_has_the_name_of_another_with_another_meaning():
    often = {name for name, count in Counter(p.stem for p in FILES).items() if count > 1}
    assert often - SAME_NAME.keys() == set()


def test_no_class_has_the_name_of_another():
    """Private ones may: nobody meets two of them at once."""
    trees = [ast.parse(p.read_text("utf-8")) for p in FILES]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert len(names) > 100
    assert [name for name, count in names.items() if count > 1 and not name.startswith("_")] == []
