"""Extracts the error messages of this project from its sources, and lists them on docs/troubleshooting.md.

That page is written by hand, but for its blocks of messages. A block begins with a line such as

    <!-- messages: retrain/data label_image/web.py -->

and ends with `<!-- end -->`. The lines between are replaced by the messages that these files and folders raise. A file belongs to the
block that names it most closely. A file that raises messages and stands in no block is an error, and so is a name in a block that
raises none: the page can then neither lack a kind of message nor list one that no longer exists.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("label_image", "retrain")
BEGIN = re.compile(r"<!-- messages: ([^\n]*) -->")
END = "<!-- end -->"
GAP = "…"  # stands for what a message fills in
_FEWEST_LETTERS = 4  # what has fewer letters of its own has its words from somewhere else
_DEEPEST = 4  # functions that hand a text on to each other


class PageError(Exception):
    """The page and the sources do not agree; the text says what to edit."""


@dataclass(frozen=True)
class Sources:
    """The parsed files of the packages, and what is looked up in all of them."""

    trees: Mapping[str, ast.Module]  # by the path from the root, with slashes
    errors: frozenset[str]  # names of the exception classes that are defined in the packages

    def function(self, path: str, name: str) -> tuple[str, ast.FunctionDef] | None:
        """The function that a name means in a module, and the module that defines it."""
        for node in self.trees[path].body if path in self.trees else []:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return path, node
            if isinstance(node, ast.ImportFrom) and node.module and name in (alias.name for alias in node.names):
                return self.function(f"{node.module.replace('.', '/')}.py", name)
        return None


def read_sources(root: Path) -> Sources:
    """Parses every module of the packages."""
    paths = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    trees = {path.relative_to(root).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths}
    bases: dict[str, set[str]] = {}
    for node in (node for tree in trees.values() for node in ast.walk(tree)):
        if isinstance(node, ast.ClassDef):
            bases[node.name] = {base.id for base in node.bases if isinstance(base, ast.Name)}
    errors = {name for name in bases if _is_error(name, bases)}
    return Sources(trees, frozenset(errors))


def _is_error(name: str, bases: Mapping[str, set[str]]) -> bool:
    if name not in bases:
        return name == "Exception" or name.endswith("Error")  # one of Python's
    return any(_is_error(base, bases) for base in bases[name])


def texts(node: ast.expr | None, sources: Sources, path: str, depth: int = 0) -> list[str]:
    """The texts that an expression of a module can be, with a gap for each part that is only known at run time.

    >>> expression = ast.parse("f'cannot read {path}: ' + ('it is empty' if empty else why)", mode="eval").body
    >>> texts(expression, Sources({}, frozenset()), "")
    ['cannot read …: it is empty', 'cannot read …: …']
    """
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr():
            return ["".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)]
        case ast.BinOp(op=ast.Add()):
            ends = texts(node.right, sources, path, depth)
            return [begin + end for begin in texts(node.left, sources, path, depth) for end in ends]
        case ast.IfExp():
            return texts(node.body, sources, path, depth) + texts(node.orelse, sources, path, depth)
        case ast.Call(func=ast.Name(id=name)) if depth < _DEEPEST and (found := sources.function(path, name)):
            values = [inner.value for inner in ast.walk(found[1]) if isinstance(inner, ast.Return)]
            return [text for value in values for text in texts(value, sources, found[0], depth + 1)] or [GAP]
    return [GAP]


def _raised(path: str, sources: Sources) -> Iterator[tuple[int, str]]:
    """(line, message) of each of our errors that a module makes; a message of several lines is joined by line ends."""
    for node in ast.walk(sources.trees[path]):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in sources.errors
            and node.args
        ):
            joint = "\n" if node.func.id == "LinesError" else ": "
            rest = [text for argument in node.args[1:] for text in texts(argument, sources, path)[:1]]
            for first in texts(node.args[0], sources, path):
                yield node.lineno, joint.join([first, *(text for text in rest if text.strip(GAP))])


def messages(sources: Sources) -> dict[str, list[str]]:
    """The messages of each module that makes some, in the order of its lines."""
    found = {}
    for path in sources.trees:
        said = dict.fromkeys(_tidy(text) for _, text in sorted(_raised(path, sources)))
        if kept := [text for text in said if len(re.findall("[A-Za-z]", text)) >= _FEWEST_LETTERS]:
            found[path] = kept
    return found


def _tidy(text: str) -> str:
    """One gap for several that touch; no space at the ends.

    >>> _tidy("unknown flag --…… ")
    'unknown flag --…'
    """
    return re.sub(f"{GAP}+", GAP, text).strip()


def _owner(path: str, names: Iterable[str]) -> str | None:
    """The name, of a file or of a folder, that covers a path most closely.

    >>> _owner("retrain/data/scan.py", ["retrain", "retrain/data", "retrain/dat"])
    'retrain/data'
    """
    fitting = [name for name in names if path == name or path.startswith(f"{name.rstrip('/')}/")]
    return max(fitting, key=len, default=None)


def fill(page: str, found: Mapping[str, list[str]]) -> str:
    """The page with its blocks replaced.

    Raises:
      PageError: a module has no block, a name has no messages, a name stands in two blocks, or a block has no end.
    """
    names = [name for line in BEGIN.findall(page) for name in line.split()]
    owners = {path: _owner(path, names) for path in found}
    homeless = sorted(path for path, name in owners.items() if name is None)
    stale = sorted(set(names) - set(owners.values()))
    twice = sorted({name for name in names if names.count(name) > 1})
    for paths, trouble in (
        (homeless, "raise messages, and no block names them: add each to the block that explains its messages"),
        (stale, "stand in a block and raise no message (renamed or removed?): correct the block's first line"),
        (twice, "stand in two blocks: leave each in one"),
    ):
        if paths:
            raise PageError(f"docs/troubleshooting.md: {', '.join(paths)}: {trouble}")
    if len(BEGIN.findall(page)) != page.count(END):
        raise PageError(f"docs/troubleshooting.md: each block of messages ends with the line {END}")

    def block(begin: re.Match[str]) -> str:
        mine = [path for path in sorted(found) if owners[path] in begin[1].split()]
        lines = sorted({text for path in mine for text in found[path]}, key=str.casefold)
        return "\n".join([f"<!-- messages: {begin[1]} -->", "```", *lines, "```", END])

    return re.sub(rf"{BEGIN.pattern}\n.*?{END}", block, page, flags=re.DOTALL)


def troubleshooting(root: Path) -> str:
    """The text that docs/troubleshooting.md has to have."""
    return fill((root / "docs/troubleshooting.md").read_text("utf-8"), messages(read_sources(root)))
