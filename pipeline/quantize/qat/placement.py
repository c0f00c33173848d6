"""Which tensors of a quantized model are rounded: those that TensorFlow Lite stores.

Between a convolution, the batch normalization and constants folded into it and the ReLU fused
with it nothing is stored; pooling and reshaping keep the range of what they read; what is
concatenated shares one; softmax, sigmoid and tanh have ranges of their own.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from pipeline.keras_graph import TensorRef
from pipeline.quantize.qat.steps import Kind, Step, StepGraph

# In scales of int8 that TensorFlow Lite prescribes: 1/256 from -128 on, 1/128 around 0.
_UNIT = (0.0, 255 / 256)
_SYMMETRIC = (-1.0, 127 / 128)

# Layers and operations whose output has the range of their input.
_PASSING = frozenset(
    {
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePool",
        "Cropping1D",
        "Cropping2D",
        "ExpandDims",
        "Flatten",
        "GetItem",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "Identity",
        "Max",
        "Amax",
        "MaxPool",
        "MaxPooling1D",
        "MaxPooling2D",
        "Permute",
        "Ravel",
        "Repeat",
        "RepeatVector",
        "Reshape",
        "Resize",
        "Resizing",
        "Split",
        "Squeeze",
        "Tile",
        "Transpose",
        "UpSampling1D",
        "UpSampling2D",
        "ZeroPadding1D",
        "ZeroPadding2D",
        "AlphaDropout",
        "GaussianDropout",
        "GaussianNoise",
        "ActivityRegularization",
    }
)
# Augmentation changes nothing but in training.
_AUGMENTING = frozenset({"AugMix", "CutMix", "MixUp", "RandAugment"})
_POOLING = frozenset({"AveragePooling2D", "AveragePool", "MaxPool", "MaxPooling2D"})
# What TensorFlow Lite fuses a ReLU with, besides convolutions.
_FUSING = frozenset({"Add", "Subtract", "Multiply"})
# With one tensor and constants, these go into the filter and bias of the convolution before them.
_CONSTANT = _FUSING | {"Divide", "TrueDivide", "Rescaling"}
# What goes out has the scale of everything that comes in, as bits are only moved or compared.
_JOINING = frozenset({"Append", "Concatenate", "Stack"})
_COMPARING = frozenset({"Maximum", "Minimum"})


# Classes of layers and operations that compute one function.
_FUNCTIONS = {
    "HardSigmoid": "hard_sigmoid",
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
    "Tanh": "tanh",
}


class Follows(enum.Enum):
    """How a range follows the data in training."""

    AVERAGE = "as a moving average of what each batch spans"
    GROWTH = "by growing where a batch goes beyond it"
    NOTHING = "not by itself: another tensor moves it"


@dataclass(frozen=True, slots=True)
class FixedRange:
    """A range that no data decides."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LearnedRange:
    """A range that follows the data.

    Attributes:
        group: tensors of the same number share one range.
        follows: what this tensor does to it.
    """

    group: int
    follows: Follows


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a quantized model rounds.

    Attributes:
        ranges: of the tensors that are rounded, by index.
        moving: names of the batch normalizations whose statistics may move in training: those
            that one convolution or dense layer absorbs. Others are operators of their own, or
            shared.
    """

    ranges: dict[int, FixedRange | LearnedRange]
    moving: frozenset[str]


def place(graph: StepGraph, input_range: FixedRange | None) -> Placement:
    """Decide what is rounded in a model.

    Args:
        graph: of the model.
        input_range: of its input; None to let it follow the data.
    """
    return _Placer(graph).place(input_range)


class _Placer:
    def __init__(self, graph: StepGraph) -> None:
        self._graph = graph
        self._makers = {ref.index: step for step in graph.steps for ref in step.outputs}
        self._readers: dict[int, list[Step | None]] = defaultdict(list)
        self._calls: dict[int, int] = defaultdict(int)
        for step in graph.steps:
            self._calls[id(step.layer)] += 1
            for ref in step.inputs:
                self._readers[ref.index].append(step)
        self._readers[graph.output.index].append(None)
        self._folded = frozenset(step.name for step in graph.steps if self._is_folded(step))

    def place(self, input_range: FixedRange | None) -> Placement:
        ranges: dict[int, FixedRange | LearnedRange] = {
            self._graph.input.index: input_range
            or LearnedRange(self._graph.input.index, Follows.AVERAGE)
        }
        for step in self._graph.steps:
            for ref in step.outputs:
                own = _own_range(step, ref, self._graph.output)
                if isinstance(own, FixedRange):
                    ranges[ref.index] = own
                elif own and not self._is_fused(step, ref) and not self._ends_pooling(step):
                    ranges[ref.index] = LearnedRange(ref.index, Follows.AVERAGE)
        self._share(ranges)
        moving = frozenset(
            step.name
            for step in self._graph.steps
            if step.name in self._folded and self._calls[id(step.layer)] == 1
        )
        return Placement(ranges=ranges, moving=moving)

    def _share(self, ranges: dict[int, FixedRange | LearnedRange]) -> None:
        """Give one range to what is concatenated or compared, and to what becomes of it."""
        group: dict[int, int] = {index: index for index in ranges}
        joined: dict[int, list[Step]] = defaultdict(list)
        for step in self._graph.steps:
            if type(step.layer).__name__ not in _JOINING | _COMPARING:
                continue
            sources = [self._source(ref, ranges) for ref in (*step.outputs, *step.inputs)]
            members = [s for s in sources if isinstance(ranges.get(s), LearnedRange)]
            for member in members[1:]:
                before, after = group[member], group[members[0]]
                steps = joined.pop(before, []) if before != after else []
                joined[after] += steps
                group = {i: after if g == before else g for i, g in group.items()}
            if members:
                joined[group[members[0]]].append(step)
        for index in [index for index, own in ranges.items() if isinstance(own, LearnedRange)]:
            steps = joined.get(group[index], [])
            follows = Follows.AVERAGE
            if len(steps) == 1 and type(steps[0].layer).__name__ in _JOINING:
                # What comes out spans all that went in.
                follows = Follows.AVERAGE if index == steps[0].outputs[0].index else Follows.NOTHING
            elif steps:
                follows = Follows.GROWTH
            ranges[index] = LearnedRange(group[index], follows)

    def _source(self, ref: TensorRef, ranges: dict[int, FixedRange | LearnedRange]) -> int:
        """Index of the tensor whose range this one has."""
        while ref.index not in ranges and ref.index in self._makers:
            step = self._makers[ref.index]
            if len(step.inputs) != 1:
                break
            ref = step.inputs[0]
        return ref.index

    def _is_folded(self, step: Step) -> bool:
        """Whether a step is a batch normalization that the convolution before it absorbs."""
        if step.kind is not Kind.NORM:
            return False
        maker = self._makers.get(step.inputs[0].index)
        while maker is not None and maker.kind is Kind.DROPOUT:
            maker = self._makers.get(maker.inputs[0].index)
        return (
            maker is not None
            and maker.kind is Kind.WEIGHTED
            and _over_last_axis(step)
            and self._only_reader(maker.outputs[0]) is step
        )

    def _is_fused(self, step: Step, ref: TensorRef) -> bool:
        """Whether what follows is computed together with this step."""
        reader = self._only_reader(ref)
        if reader is None:
            return False
        if reader.name in self._folded:
            return True
        if _is_constant(step) and reader.kind is Kind.WEIGHTED:
            # They go into the convolution behind them as well.
            return True
        absorbs = self._absorbs_constants(step)
        if absorbs and (_is_constant(reader) or _function_name(reader) == "hard_sigmoid"):
            return True
        fuses = absorbs or step.kind is Kind.NORM or type(step.layer).__name__ in _FUSING
        return fuses and _is_relu(reader)

    def _ends_pooling(self, step: Step) -> bool:
        """Whether a step is a ReLU fused with the pooling before it, whose range it keeps."""
        if not _is_relu(step):
            return False
        maker = self._makers.get(step.inputs[0].index)
        return (
            maker is not None
            and type(maker.layer).__name__ in _POOLING
            and self._only_reader(step.inputs[0]) is step
        )

    def _absorbs_constants(self, step: Step) -> bool:
        """Whether constants behind a step go into the filter and bias of a convolution."""
        if step.kind is Kind.WEIGHTED or step.name in self._folded:
            return True
        if not _is_constant(step):
            return False
        maker = self._makers.get(step.inputs[0].index)
        return (
            maker is not None
            and self._absorbs_constants(maker)
            and self._only_reader(step.inputs[0]) is step
        )

    def _only_reader(self, ref: TensorRef) -> Step | None:
        """The one step that reads a tensor, dropout left out; None for several, or the caller."""
        while len(self._readers[ref.index]) == 1:
            step = self._readers[ref.index][0]
            if step is None or step.kind is not Kind.DROPOUT:
                return step
            ref = step.outputs[0]
        return None


def last_function(graph: StepGraph) -> str:
    """What the model's scores come from: "softmax", "sigmoid", or "" for anything else."""
    makers = {ref.index: step for step in graph.steps for ref in step.outputs}
    step = makers.get(graph.output.index)
    while step is not None and len(step.inputs) == 1:
        if _function_name(step) in ("softmax", "sigmoid"):
            return _function_name(step)
        if step.kind is not Kind.DROPOUT and not _passes(step):
            return ""
        step = makers.get(step.inputs[0].index)
    return ""


def _own_range(step: Step, ref: TensorRef, output: TensorRef) -> FixedRange | bool:
    """The range that a step prescribes for its output; whether it has one of its own at all."""
    if step.kind is Kind.DROPOUT or not ref.dtype.startswith("float"):
        return False
    if step.kind is not Kind.PLAIN:
        return True
    function = _function_name(step)
    if function == "softmax":
        # Rounding small probabilities to 0 would end their gradient; nothing reads them on.
        return False
    if function in ("sigmoid", "tanh"):
        if ref.index == output.index:
            return False
        return FixedRange(*(_UNIT if function == "sigmoid" else _SYMMETRIC))
    # What several outputs share is left to the converter.
    return len(step.outputs) == 1 and not _passes(step)


def _passes(step: Step) -> bool:
    """Whether the output of a step has the range of its input."""
    name = type(step.layer).__name__
    return name in _PASSING | _AUGMENTING or name.startswith("Random")


def _is_constant(step: Step) -> bool:
    """Whether a step computes with one tensor and constants, which a convolution can absorb."""
    return (
        step.kind is Kind.PLAIN and len(step.inputs) == 1 and type(step.layer).__name__ in _CONSTANT
    )


def _over_last_axis(step: Step) -> bool:
    axis = step.layer.axis
    axis = axis[0] if isinstance(axis, list | tuple) else axis
    return axis in (-1, len(step.inputs[0].shape) - 1)


def _is_relu(step: Step) -> bool:
    """Whether a step is a ReLU that TensorFlow Lite fuses: cut off at 0, and at 6 or nowhere."""
    if step.kind is not Kind.PLAIN:
        return False
    layer = step.layer
    if type(layer).__name__ == "ReLU":
        slope = getattr(layer, "negative_slope", 0.0)
        return layer.max_value in (None, 6) and not slope and not layer.threshold
    return _function_name(step) in ("relu", "relu6")


def _function_name(step: Step) -> str:
    """Name of the function that an activation computes: "relu"; else "" or an operation's."""
    layer: Any = step.layer
    if step.kind is not Kind.PLAIN:
        return ""
    kind = type(layer).__name__
    if kind == "Activation":
        layer = layer.activation
    elif kind in _FUNCTIONS:
        return _FUNCTIONS[kind]
    return str(getattr(layer, "__name__", ""))
