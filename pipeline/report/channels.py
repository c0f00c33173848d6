"""What the removal of constant channels did, as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pipeline.records import LayerChannels

_COUNTS = (
    "channels",
    "constant",
    "removed",
    "macs_before",
    "macs",
    "weight_bytes_before",
    "weight_bytes",
)


def channels_report(layers: Sequence[LayerChannels] | None) -> dict[str, Any] | None:
    """Sums over all layers with weights, and the layers that it concerns; None if left out.

    Args:
        layers: of a `DeployPlan`.
    """
    if layers is None:
        return None
    sums = {name: sum(getattr(layer, name) for layer in layers) for name in _COUNTS}
    changed = [
        {**dataclasses.asdict(layer), "kind": layer.kind.value}
        for layer in layers
        if layer.constant or layer.macs != layer.macs_before
    ]
    return {**sums, "layers": changed}
