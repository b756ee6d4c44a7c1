"""Defines the features of all photos, together with the photos and the network."""

from __future__ import annotations

from dataclasses import dataclass

from retrain.features.runtimes import Runtime
from retrain.types import Backbone, Bottlenecks, Pace, Scan, Split


@dataclass(frozen=True)
class PhotoFeatures:
    """The features of all photos."""

    scan: Scan
    split: Split
    backbone: Backbone
    runtime: Runtime  # the runtime that ran the backbone
    bottlenecks: Bottlenecks
    pace: Pace
