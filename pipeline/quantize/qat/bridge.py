"""Rebuild a Keras 3 model in tf_keras, with quantizers that are off at first.

Imported only after `import_tfmot`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import tf_keras

from pipeline.keras_graph import TensorRef
from pipeline.quantize.qat.layers import make_layer, make_range
from pipeline.quantize.qat.placement import FixedRange, Placement, place
from pipeline.quantize.qat.quantizers import FixedQuantizer, Mode, RangeQuantizer
from pipeline.quantize.qat.steps import StepGraph
from pipeline.quantize.scopes import scope_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridged:
    """A model of tf_keras with the weights and, while its mode is FLOAT, the outputs of another.

    Attributes:
        model: of one input and one output.
        mode: what its quantizers do.
        graph: the steps that it was made of.
        tensors: what it computes for each tensor of the graph, by index.
    """

    model: Any
    mode: Mode
    graph: StepGraph
    tensors: dict[int, Any] = field(repr=False)


def bridge(
    graph: StepGraph,
    name: str,
    *,
    input_range: FixedRange | None = None,
    range_decay: float = 0.99,
) -> Bridged:
    """Rebuild a model of Keras 3.

    Args:
        graph: its steps.
        name: of the model.
        input_range: of the model's input; None to let it follow the data.
        range_decay: see `Mode`.
    """
    placement = place(graph, input_range)
    mode = Mode(range_decay)
    rounder = _Rounder(mode, placement)
    inputs = tf_keras.Input(graph.input.shape[1:], name="input")
    tensors = {graph.input.index: rounder.round(graph.input, inputs, "input")}
    made: dict[tuple[int, str], Any] = {}
    for position, step in enumerate(graph.steps):
        key = (id(step.layer), step.part)
        if key not in made or not getattr(step.layer, "weights", ()):
            moves = step.name in placement.moving
            made[key] = make_layer(step, mode, position=position, moves=moves)
        read = [tensors[ref.index] for ref in step.inputs]
        results = made[key](read[0] if len(read) == 1 else read)
        flat = list(results) if isinstance(results, list | tuple) else [results]
        for ref, tensor in zip(step.outputs, flat, strict=True):
            tensors[ref.index] = rounder.round(ref, tensor, step.name)
    rebuilt = tf_keras.Model(inputs, tensors[graph.output.index], name=scope_name(name))
    return Bridged(model=rebuilt, mode=mode, graph=graph, tensors=tensors)


class _Rounder:
    """Puts quantizers behind tensors; those of one group share their range."""

    def __init__(self, mode: Mode, placement: Placement) -> None:
        self._mode, self._ranges = mode, placement.ranges
        self._shared: dict[int, dict[str, Any]] = defaultdict(dict)

    def round(self, ref: TensorRef, tensor: Any, name: str) -> Any:
        """The tensor, behind a quantizer where it has a range."""
        own = self._ranges.get(ref.index)
        if own is None:
            return tensor
        if isinstance(own, FixedRange):
            return make_range(FixedQuantizer(self._mode, own.low, own.high), name)(tensor)
        shared = self._shared[own.group]
        return make_range(RangeQuantizer(self._mode, shared, own.follows), name)(tensor)
