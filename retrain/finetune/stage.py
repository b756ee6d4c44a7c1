"""What of the options a snapshot of a network must have been made with."""

from __future__ import annotations

from typing import Any

from retrain.head.snapshots import asked_of
from retrain.options.option import in_snapshot
from retrain.options.options import Options


def asked_of_network(options: Options) -> dict[str, Any]:
    """What a snapshot of a network must have been made with: name -> value."""
    return {**asked_of(options), **{name: options.value(name) for name in in_snapshot(Options, "network")}}
