"""The examples in docstrings are true: each `>>>` of the two packages, the tools and the benchmarks runs as a test."""

from __future__ import annotations

import ast
import doctest
import importlib
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDERS = ("label_image", "retrain", "tools", "benchmarks")


def examples_in(path: Path) -> int:
    """How many examples the file's docstrings show; read with ast, so that a module without one is not imported."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, documented)]
    return sum(len(doctest.DocTestParser().get_examples(ast.get_docstring(node) or "")) for node in nodes)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


COUNTS = {module_name(path): examples_in(path) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}
MODULES = [name for name, count in COUNTS.items() if count]


def test_there_are_examples_to_run():
    """So that a fault in the search does not leave the test below without a module."""
    assert {name.split(".")[0] for name in COUNTS} == set(FOLDERS)
    assert len(MODULES) >= 50
    assert sum(COUNTS.values()) >= 100


@pytest.mark.parametrize("name", MODULES)
def test_the_code_answers_what_the_docstring_shows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = doctest.testmod(importlib.import_module(name), optionflags=doctest.REPORT_NDIFF)
    assert seen.failed == 0, "the captured output shows the difference"
    assert seen.attempted == COUNTS[name], "doctest does not find the docstring of a nested function"
