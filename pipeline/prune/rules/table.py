"""Which rule belongs to which layer; a layer without a rule locks what reaches it."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.keras_graph import Call
from pipeline.prune.rules import (
    convolution,
    dense,
    elementwise,
    merge,
    normalization,
    operations,
    shape,
)
from pipeline.prune.trace import Tracer, Value

Rule = Callable[[Tracer, Call, list[Value]], list[Value]]

_DIMENSIONS = ("1D", "2D", "3D")


def _each_dimension(names: str, rule: Rule) -> dict[str, Rule]:
    return {name + dimension: rule for name in names.split() for dimension in _DIMENSIONS}


# By class name; classes outside Keras never match, subclasses of these neither.
LAYERS: dict[str, Rule] = {
    **_each_dimension("Conv", convolution.convolution),
    **{f"Conv{dimension}Transpose": convolution.transposed for dimension in _DIMENSIONS},
    **_each_dimension("DepthwiseConv", convolution.depthwise),
    **_each_dimension("SeparableConv", convolution.separable),
    "Dense": dense.dense,
    "Embedding": dense.embedding,
    "BatchNormalization": normalization.batch_normalization,
    "GroupNormalization": normalization.group_normalization,
    "LayerNormalization": normalization.over_channels,
    "RMSNormalization": normalization.over_channels,
    "UnitNormalization": normalization.over_channels,
    "Normalization": normalization.over_channels,
    "Add": merge.broadcast,
    "Subtract": merge.broadcast,
    "Multiply": merge.broadcast,
    "Average": merge.broadcast,
    "Maximum": merge.broadcast,
    "Minimum": merge.broadcast,
    "Concatenate": merge.concatenate,
    "Flatten": shape.flatten,
    "Reshape": shape.reshape,
    "Permute": shape.permute,
    "RepeatVector": shape.repeat_vector,
    **_each_dimension(
        "MaxPooling AveragePooling AdaptiveAveragePooling AdaptiveMaxPooling ZeroPadding "
        "Cropping UpSampling",
        shape.spatial,
    ),
    "Resizing": shape.spatial,
    "CenterCrop": shape.spatial,
    **_each_dimension("GlobalAveragePooling GlobalMaxPooling", shape.global_pooling),
    "Activation": elementwise.activation,
    "Softmax": elementwise.softmax,
    "PReLU": elementwise.prelu,
    "Rescaling": elementwise.rescaling,
    **dict.fromkeys(elementwise.IDENTITIES, elementwise.identity),
}

OPERATIONS: dict[str, Rule] = {
    **dict.fromkeys(operations.UNARY, operations.unary),
    **dict.fromkeys(operations.BINARY, operations.binary),
    **dict.fromkeys(operations.REDUCTIONS, operations.reduction),
    "Concatenate": operations.concatenate,
    "Reshape": operations.reshape,
    "Transpose": operations.transpose,
    "ExpandDims": operations.expand_dims,
    "Squeeze": operations.squeeze,
}

_COMBINING = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"}

# What a user should know of layers that are refused, beyond that they have no rule.
_REASONS = {
    "Lambda": "Lambda holds Python code that cannot be followed",
    "Dot": "Dot sums over channels",
    "Attention": "attention mixes channels",
    "AdditiveAttention": "attention mixes channels",
    "MultiHeadAttention": "attention mixes channels",
    "GroupQueryAttention": "attention mixes channels",
    "RNN": "recurrent layers are not pruned",
    "SimpleRNN": "recurrent layers are not pruned",
    "LSTM": "recurrent layers are not pruned",
    "GRU": "recurrent layers are not pruned",
    "Bidirectional": "recurrent layers are not pruned",
    "GetItem": "slicing by constant indices",
    "Masking": "Masking looks at all channels together",
}


def apply_rule(tracer: Tracer, call: Call, inputs: list[Value]) -> list[Value]:
    """Values of a call's outputs; locks where the layer has no rule or unusual arguments."""
    import keras

    kind = type(call.layer)
    is_layer = isinstance(call.layer, keras.Layer)
    if kind.__module__.partition(".")[0] != "keras":
        return tracer.refuse(call, inputs, f"{kind.__name__} is not a layer of Keras")
    rule = (LAYERS if is_layer else OPERATIONS).get(kind.__name__)
    if rule is None:
        reason = _REASONS.get(kind.__name__, f"there is no rule for {kind.__name__}")
        return tracer.refuse(call, inputs, reason)
    several = kind.__name__ in _COMBINING
    if is_layer and (len(inputs) != 1 and not several):
        return tracer.refuse(call, inputs, f"{kind.__name__} is called with several tensors")
    return rule(tracer, call, inputs)
