"""Finds a network by its name, and the family to which it belongs."""

from __future__ import annotations

import difflib
import functools
import importlib
import re

from label_image.errors import UserError
from retrain.backbones import table
from retrain.backbones.family import Family
from retrain.backbones.table import Architecture

_EXAMPLES = ("efficientnet_lite0", "mobilenet_1.0_224", "inception_v3", "keras:MobileNetV2")


def architecture(name: str, tfhub_module: str = "") -> Architecture:
    """Returns the network with the name that the user typed; upper and lower case are equal, as in the original.

    Raises:
      UserError: the name is unknown; the message suggests similar names.
    """
    if tfhub_module:
        return Architecture(tfhub_module, table.TFHUB.module, licence="the module's own")
    typed = name.strip().lower()
    for row in table.FAMILIES:  # in order: a family's file is imported only when the search reaches it
        if typed in architectures_of(row.module):
            return architectures_of(row.module)[typed]
    raise UserError(f"unknown --architecture={name}; {_hint(typed)}")


def family_of(row: Architecture) -> Family:
    """Returns the family of a network."""
    return _family(row.family)


@functools.cache
def architectures_of(module: str) -> dict[str, Architecture]:
    """Returns the networks of a family by their names in lower case."""
    return {row.name.lower(): row for row in _family(module).architectures}


def all_architectures() -> dict[str, Architecture]:
    """Returns all networks that are known by name."""
    return {name: row for family in table.FAMILIES for name, row in architectures_of(family.module).items()}


def _family(module: str) -> Family:
    found: Family = importlib.import_module(module).FAMILY
    return found


def _hint(typed: str) -> str:
    known = all_architectures()
    meant = typed.replace("-", "_").replace("_v1", "")
    for wrong, right in (("_quant$", "_quantized"), ("_0?[.]5_", "_0.50_"), ("_1([.]00)?_", "_1.0_")):
        meant = re.sub(wrong, right, meant)
    close = [key for key in known if _letters(key) == _letters(meant)]
    names = [known[key].name for key in close or difflib.get_close_matches(meant, known, 3, 0.6)]
    return f"did you mean {' or '.join(names)}?" if names else f"for example {', '.join(_EXAMPLES)}"


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.removeprefix("keras:"))
