"""What a Keras model costs: parameters, multiply-accumulates, peak activations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pipeline.keras_graph import Call, FlatGraph, flatten
from pipeline.prune.records import LayerFacts, ModelFacts

if TYPE_CHECKING:
    import keras

# Layers that write their result over their input, or that deployment folds away.
# fmt: off
_IN_PLACE = frozenset({
    "BatchNormalization", "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax",
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout",
    "Identity", "Reshape", "Flatten", "Rescaling", "Normalization",
    "ActivityRegularization",
})
# fmt: on


def is_in_place(call: Call) -> bool:
    """Whether a call's output takes its input's memory."""
    return type(call.layer).__name__ in _IN_PLACE and len(call.inputs) == 1


def model_facts(model: keras.Model, accuracy: float | None = None) -> ModelFacts:
    """Facts of a Functional or Sequential model, at batch size 1.

    Args:
        model: nested models count with each of their calls.
        accuracy: goes into the record.
    Raises:
        UnsupportedModelError: a subclassed model.
    """
    graph = flatten(model)
    return ModelFacts(
        params=sum(int(np.prod(weight.shape)) for weight in model.weights),
        macs=_total(graph),
        peak_activation_bytes=peak_bytes(graph),
        accuracy=accuracy,
    )


def layer_facts(model: keras.Model) -> dict[str, LayerFacts]:
    """Facts of every layer with a kernel, by path, in the order of their first calls.

    Args:
        model: Functional or Sequential. A layer that is called several times adds up its MACs.
    Raises:
        UnsupportedModelError: a subclassed model.
    """
    layers: dict[str, LayerFacts] = {}
    for call in flatten(model).calls:
        macs = call_macs(call)
        if macs == 0:
            continue
        before = layers.get(call.path)
        if before is not None and (macs is None or before.macs is None):
            macs = None
        elif before is not None and macs is not None:
            macs += before.macs or 0
        layers[call.path] = LayerFacts(
            name=call.path,
            kind=type(call.layer).__name__,
            channels=call.outputs[0].shape[-1] or 0,
            params=sum(int(np.prod(weight.shape)) for weight in call.layer.weights),
            macs=macs,
        )
    return layers


def _total(graph: FlatGraph) -> int | None:
    total = 0
    for call in graph.calls:
        macs = call_macs(call)
        if macs is None:
            return None
        total += macs
    return total


def call_macs(call: Call) -> int | None:
    """Multiply-accumulates of one call; 0 for anything but convolutions and dense layers.

    None where a spatial size is open.
    """
    positions = call_positions(call)
    if not positions:
        return positions
    weights = {weight.name: int(np.prod(weight.shape)) for weight in call.layer.weights}
    return positions * sum(weights.get(name, 0) for name in KERNELS)


def call_positions(call: Call) -> int | None:
    """How often each entry of a kernel is used in one call; 0 where there is no kernel.

    None where a spatial size is open.
    """
    kind = type(call.layer).__name__
    if not ((kind == "Dense" or "Conv" in kind) and getattr(call.layer, "weights", None)):
        return 0
    # Each weight of a transposed convolution meets every input position, elsewhere output.
    tensor = call.inputs[0] if kind.endswith("Transpose") else call.outputs[0]
    positions = tensor.shape[1:-1]
    if None in positions:
        return None
    return math.prod(size or 0 for size in positions)


KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")


def peak_bytes(graph: FlatGraph) -> int | None:
    """Largest sum of live tensors in call order, one byte per entry; None where a size is open."""
    sizes: dict[int, int] = {}
    alias: dict[int, int] = {}
    tensors = [binding.tensor for binding in graph.bindings if not binding.nested]
    tensors += [tensor for call in graph.calls for tensor in call.outputs]
    for tensor in tensors:
        if None in tensor.shape[1:]:
            return None
        sizes[tensor.index] = math.prod(size or 0 for size in tensor.shape[1:])
        alias[tensor.index] = tensor.index
    last: dict[int, int] = {}
    first: dict[int, int] = {}
    for binding in graph.bindings:
        if not binding.nested:
            first[binding.tensor.index] = last[binding.tensor.index] = -1
    for position, call in enumerate(graph.calls):
        for ref in call.inputs:
            last[alias[ref.index]] = position
        for ref in call.outputs:
            if is_in_place(call):
                alias[ref.index] = alias[call.inputs[0].index]
            else:
                first[ref.index] = last[ref.index] = position
    for ref in graph.outputs:
        last[alias[ref.index]] = len(graph.calls)
    return max(
        sum(sizes[index] for index in first if first[index] <= position <= last[index])
        for position in range(-1, len(graph.calls))
    )
