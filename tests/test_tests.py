"""Tests that can fail: read from their sources with ast."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import re
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

TREES = {path.stem: ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "tests").glob("*.py"))}
FUNCTIONS = {
    (module, node.name): node
    for module, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
}
TESTS = {
    place: node for place, node in FUNCTIONS.items() if place[0].startswith("test_") and place[1].startswith("test_")
}
# What raises where it is not as it should be
CHECKING = re.compile(r"pytest\.(raises|fail|warns)|assert_\w+|wait_for_selector")
WALL_CLOCK = re.compile(r"\btime\.(time|monotonic|perf_counter)(_ns)?\(\)")
# A limit of time is what they promise, and the bound is far from it
MAY_ASK_THE_CLOCK = {
    "test_ctrl_c_leaves_nothing",  # ends a wait that would last for ever
    "test_ctrl_c_does_not_wait_for_a_slow_server",
    "test_a_slow_server_costs_no_more_than_the_limit",
    "test_progress_tells_bytes_speed_and_time_left_and_not_too_often",  # at most so many lines in the time that it took
}


def imported_from(module: str) -> dict[str, str]:
    """Names that a file of tests has from another one."""
    return {
        alias.asname or alias.name: node.module.removeprefix("tests.")
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tests.")
        for alias in node.names
    }


@functools.cache
def checks(module: str, name: str) -> bool:
    """Whether a function asserts something, itself or in a helper that it calls."""
    for node in ast.walk(FUNCTIONS[module, name]):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and (
            CHECKING.search(ast.unparse(node.func))
            or any(word.arg == "check" and getattr(word.value, "value", False) is True for word in node.keywords)
        ):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id != name:
            place = imported_from(module).get(node.func.id, module), node.func.id
            if place in FUNCTIONS and checks(*place):
                return True
    return False


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function, without the functions in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield child
            yield from own_nodes(child)


def always_true(test: ast.expr) -> bool:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        return any(always_true(value) for value in test.values)
    if isinstance(test, ast.Constant):
        return bool(test.value)
    return isinstance(test, ast.Tuple | ast.JoinedStr)


def test_there_are_tests_to_read():
    assert len(TESTS) > 1000


def test_every_test_checks_something():
    assert [place for place in TESTS if not checks(*place)] == []


def test_no_test_ends_before_its_last_line():
    """An early return leaves the rest unchecked; pytest.skip says so."""
    assert [place for place, node in TESTS.items() if any(isinstance(n, ast.Return) for n in own_nodes(node))] == []


def test_no_assertion_is_true_whatever_happens():
    asserts = [(at, node) for at, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert [f"{at}:{node.lineno}" for at, node in asserts if always_true(node.test)] == []


def test_no_error_of_any_kind_is_swallowed():
    handlers = [
        (place, handler)
        for place, node in TESTS.items()
        for handler in own_nodes(node)
        if isinstance(handler, ast.ExceptHandler)
    ]
    broad = {None, "Exception", "BaseException", "AssertionError"}
    assert [place for place, one in handlers if (ast.unparse(one.type) if one.type else None) in broad] == []


def test_no_assertion_depends_on_how_busy_the_machine_is():
    """Time on the wall is another program's, too: processor time, or the number of calls, is our own."""
    asking = {
        name
        for (_, name), node in TESTS.items()
        if any(isinstance(one, ast.Assert) and WALL_CLOCK.search(ast.unparse(one)) for one in ast.walk(node))
    }
    assert asking == MAY_ASK_THE_CLOCK


def patched_names() -> list[str]:
    return sorted(
        {
            node.args[0].value
            for tree in TREES.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith(("patch.setattr", "patch.delattr"))
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        }
    )


@pytest.mark.parametrize("name", [name for name in patched_names() if name.startswith(("retrain.", "label_image."))])
def test_what_a_test_replaces_by_name_exists(name):
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        owner, last = functools.reduce(getattr, parts[length:-1], found), parts[-1]
        assert hasattr(owner, last) or hasattr(builtins, last)
        break
    else:
        pytest.fail(f"no module in {name}")


@pytest.mark.parametrize(
    ("source", "expected"),
    [("True", True), ("(1, 'x')", True), ("a or True", True), ("f'{a}'", True), ("a", False), ("a and True", False)],
)
def test_what_is_always_true_is_seen(source, expected):
    assert always_true(ast.parse(source, mode="eval").body) is expected
