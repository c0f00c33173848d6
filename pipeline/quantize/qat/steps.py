"""A Keras 3 model as the steps that a quantized model takes, each named layer split into them.

Activations become steps of their own, and separable convolutions two convolutions: TensorFlow
Lite fuses and splits them the same way, and rounds between the steps.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline.errors import UnsupportedModelError
from pipeline.keras_graph import Call, FlatGraph, TensorRef, flatten
from pipeline.quantize.scopes import scope_name

if TYPE_CHECKING:
    import keras


class Kind(enum.Enum):
    """How a step becomes a layer of tf_keras."""

    WEIGHTED = "a convolution or dense layer without activation"
    NORM = "batch normalization"
    PRELU = "a slope per channel"
    DROPOUT = "dropout, the identity but in training"
    PLAIN = "a layer or operation without weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One layer of the quantized model.

    Attributes:
        name: unique; of the layer in tf_keras.
        path: of the Keras layer, behind the names of the nested models around it.
        kind: how it is built.
        layer: the Keras layer, operation, or the activation's function.
        part: of a separable convolution "depthwise" or "pointwise", else "".
        args, kwargs: as called, tensors replaced by TensorRef.
        inputs: the tensors among them, in order.
        outputs: flat.
    """

    name: str
    path: str
    kind: Kind
    layer: Any
    part: str = ""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[TensorRef, ...]
    outputs: tuple[TensorRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepGraph:
    """All steps in an order in which they can run.

    Attributes:
        steps: of the model.
        input, output: its only ones.
        flat: the calls that the steps were made of.
    """

    steps: tuple[Step, ...]
    input: TensorRef
    output: TensorRef
    flat: FlatGraph


# Keras' class by the class of tf_keras that has the same name and weights, except the separable
# ones, which are split.
WEIGHTED = frozenset(
    {
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Dense",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
    }
)
SEPARABLE = frozenset({"SeparableConv1D", "SeparableConv2D"})
_DROPOUT = frozenset({"Dropout", "SpatialDropout1D", "SpatialDropout2D"})
# Of Keras' own layers with weights, those whose weights are constants.
_CONSTANT = frozenset({"Normalization"})
# Their weights are the state of a random generator; they change nothing but in training.
_RANDOM = frozenset({"AlphaDropout", "GaussianDropout", "GaussianNoise"})


def make_steps(model: keras.Model) -> StepGraph:
    """The steps of a Functional or Sequential model of one input and one output.

    Raises:
        UnsupportedModelError: names every layer that cannot be trained quantized.
    """
    flat = flatten(model)
    inputs = [binding.tensor for binding in flat.bindings if not binding.nested]
    problems = [problem for call in flat.calls if (problem := _problem(call))]
    if len(inputs) != 1 or len(flat.outputs) != 1:
        problems.insert(
            0,
            f"{len(inputs)} inputs and {len(flat.outputs)} outputs (split it into models of one "
            "input and one output)",
        )
    elif inputs[0].dtype != "float32":
        problems.insert(0, f"an input of {inputs[0].dtype} (feed float32)")
    if problems:
        raise UnsupportedModelError(
            f"model {model.name!r}: expected what quantization-aware training can take. "
            f"Received: {'; '.join(dict.fromkeys(problems))}. Or quantize without training, "
            "with --method ptq."
        )
    splitter = _Splitter(1 + max(ref.index for ref in _all_refs(flat)))
    steps = [step for call in flat.calls for step in splitter.split(call)]
    return StepGraph(
        steps=_uniquely_named(steps), input=inputs[0], output=flat.outputs[0], flat=flat
    )


def _all_refs(flat: FlatGraph) -> list[TensorRef]:
    refs = [ref for call in flat.calls for ref in call.outputs]
    return refs + [binding.tensor for binding in flat.bindings]


def _problem(call: Call) -> str | None:
    """Why a call cannot be trained quantized, and the way out; None where it can."""
    layer, kind = call.layer, type(call.layer).__name__
    named = f"layer {call.path!r} ({kind})"
    if getattr(layer, "data_format", None) == "channels_first":
        return f"{named} in channels_first (build it in channels_last and copy its weights)"
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        return f"{named} with weights that are quantized already (start from the float model)"
    policy: Any = getattr(layer, "dtype_policy", None)
    if getattr(layer, "weights", ()) and getattr(policy, "compute_dtype", "float32") != "float32":
        return f"{named} in {policy.compute_dtype} (build it in float32 and copy its weights)"
    if not getattr(layer, "weights", ()) or kind in _DROPOUT | _RANDOM | _CONSTANT:
        return None
    if kind not in WEIGHTED | SEPARABLE | {"BatchNormalization", "PReLU"} or not (
        type(layer).__module__.startswith("keras.")
    ):
        return (
            f"{named}, whose weights have no quantizer (replace it by convolutions, dense layers "
            "and batch normalization)"
        )
    if len(call.inputs) != 1:
        return f"{named} with {len(call.inputs)} inputs (call it on one tensor)"
    if kind == "BatchNormalization" and call.kwargs.get("mask") is not None:
        return f"{named} with a mask (leave the mask out)"
    return None


class _Splitter:
    def __init__(self, first_index: int) -> None:
        self._next = first_index

    def split(self, call: Call) -> list[Step]:
        kind = type(call.layer).__name__
        if kind in SEPARABLE:
            between = self._ref(self._depthwise_shape(call))
            first = self._step(call, Kind.WEIGHTED, part="depthwise", outputs=(between,))
            second = replace(
                self._step(call, Kind.WEIGHTED, part="pointwise"),
                inputs=(between,),
                args=(between,),
            )
            return [first, *self._with_activation(second)]
        if kind in WEIGHTED:
            return self._with_activation(self._step(call, Kind.WEIGHTED))
        if kind == "BatchNormalization":
            return [self._step(call, Kind.NORM)]
        if kind == "PReLU":
            return [self._step(call, Kind.PRELU)]
        if kind in _DROPOUT:
            return [self._step(call, Kind.DROPOUT)]
        return [self._step(call, Kind.PLAIN)]

    def _with_activation(self, step: Step) -> list[Step]:
        """The step, and the activation that its layer ends with as another."""
        import keras

        function = step.layer.activation
        if function is None or function is keras.activations.linear:
            return [step]
        between = self._ref(step.outputs[0].shape)
        activation = Step(
            name=f"{step.name}/activation",
            path=step.path,
            kind=Kind.PLAIN,
            layer=function,
            args=(between,),
            kwargs={},
            inputs=(between,),
            outputs=step.outputs,
        )
        return [replace(step, outputs=(between,)), activation]

    def _step(
        self,
        call: Call,
        kind: Kind,
        *,
        part: str = "",
        outputs: tuple[TensorRef, ...] | None = None,
    ) -> Step:
        name = scope_name(call.path)
        return Step(
            name=f"{name}/{part}" if part else name,
            path=call.path,
            kind=kind,
            layer=call.layer,
            part=part,
            args=call.args if kind is Kind.PLAIN else call.inputs,
            kwargs=call.kwargs if kind is Kind.PLAIN else {},
            inputs=call.inputs,
            outputs=outputs or call.outputs,
        )

    def _ref(self, shape: tuple[int | None, ...]) -> TensorRef:
        self._next += 1
        return TensorRef(self._next - 1, shape, "float32")

    @staticmethod
    def _depthwise_shape(call: Call) -> tuple[int | None, ...]:
        channels = call.inputs[0].shape[-1]
        assert channels is not None
        return (*call.outputs[0].shape[:-1], channels * call.layer.depth_multiplier)


def _uniquely_named(steps: list[Step]) -> tuple[Step, ...]:
    """Steps of layers that are called again get a number, as their layers get calls."""
    seen: Counter[str] = Counter()
    named = []
    for step in steps:
        seen[step.name] += 1
        count = seen[step.name]
        named.append(step if count == 1 else replace(step, name=f"{step.name}/{count}"))
    return tuple(named)
