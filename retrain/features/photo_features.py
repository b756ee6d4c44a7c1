"""The features of all photos, with the photos and the network that they belong to."""

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
    runtime: Runtime  # what ran the backbone
    bottlenecks: Bottlenecks
    pace: Pace
