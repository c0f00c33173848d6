"""Follow every channel of a model from the layer that makes it to the layers that read it.

Each tensor carries at most one channel axis, with one id per index along it. Convolutions and
dense layers make fresh ids; depthwise layers repeat them; Flatten tiles them; Concatenate joins
their vectors; additions unite them elementwise. Every weight axis that is indexed by channels is
annotated with the ids in its order: the index map that groups and surgery are read from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.errors import UnsupportedModelError
from pipeline.keras_graph import Call, FlatGraph, flatten
from pipeline.prune.records import IdVector, Role
from pipeline.prune.union import ChannelIds

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of a tensor while the graph is followed.

    Attributes:
        shape: with the batch in front; None for open sizes.
        axis: the one that carries channels, None where nothing can be removed.
        ids: int64 [shape[axis]].
        source: the layer that made it, where nothing came between.
    """

    shape: tuple[int | None, ...]
    axis: int | None = None
    ids: IdVector | None = None
    source: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisMap:
    """The channel ids along one axis of a weight, in the order of its entries."""

    layer: Any
    path: str
    weight: str
    axis: int
    role: Role
    ids: IdVector


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSlot:
    """A number in a layer's configuration that counts channels.

    Attributes:
        key: of the configuration.
        position: within the value where that is a tuple, else None.
        ids: the channels counted.
    """

    layer: Any
    key: str
    position: int | None
    ids: IdVector


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEvent:
    """Ids that must stay because of a layer, and why."""

    path: str
    reason: str
    ids: IdVector


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Index maps of a whole model.

    Attributes:
        model: whose weights the maps describe.
        graph: its calls.
        axes: one per (layer, weight, axis) that channels index, in graph order.
        slots: numbers of configurations that follow.
        locks: what must stay.
        roots: int64 [ids], the class of each id.
        folds: for a layer, the batch normalization that directly follows it and it alone.
        channels: by tensor index (axis, ids), for tensors that carry channels.
    """

    model: keras.Model
    graph: FlatGraph
    axes: tuple[AxisMap, ...]
    slots: tuple[ConfigSlot, ...]
    locks: tuple[LockEvent, ...]
    roots: IdVector
    folds: dict[int, Any] = field(compare=False, repr=False)
    channels: dict[int, tuple[int, IdVector]] = field(compare=False, repr=False)


class Tracer:
    """What the rules of the layers write to."""

    def __init__(self) -> None:
        self._ids = ChannelIds()
        self._axes: dict[tuple[int, str, int], AxisMap] = {}
        self._slots: dict[tuple[int, str, int | None], ConfigSlot] = {}
        self._made: dict[int, IdVector] = {}
        self._locks: list[LockEvent] = []
        self._uncounted: set[tuple[int, str, int | None]] = set()
        self._followers: dict[int, set[int]] = {}
        self._layers: dict[int, Any] = {}

    def make(self, layer: Any, count: int) -> IdVector:
        """Ids of the channels that a layer makes; the same at each of its calls."""
        self._layers[id(layer)] = layer
        if id(layer) not in self._made:
            self._made[id(layer)] = self._ids.fresh(count)
        return self._made[id(layer)]

    def join(self, first: IdVector, second: IdVector) -> None:
        """Let channels live and die together, elementwise."""
        self._ids.join(first, second)

    def weight(self, call: Call, weight: str, axis: int, ids: IdVector, role: Role) -> None:
        """Annotate a weight axis; at further calls of a shared layer its ids are joined.

        A weight that the layer does not have (a bias left out) is passed over.
        """
        variable = next((w for w in call.layer.weights if w.name == weight), None)
        if variable is None:
            return
        axis %= len(variable.shape)
        if variable.shape[axis] != len(ids):
            raise AssertionError(
                f"{call.path}.{weight}: {len(ids)} ids for axis {axis} of {tuple(variable.shape)}"
            )
        key = (id(call.layer), weight, axis)
        if key in self._axes:
            self.join(self._axes[key].ids, ids)
            return
        self._axes[key] = AxisMap(
            layer=call.layer, path=call.path, weight=weight, axis=axis, role=role, ids=ids
        )

    def count(
        self, layer: Any, key: str, ids: IdVector | None, position: int | None = None
    ) -> None:
        """Note that a number of a layer's configuration counts these channels.

        None says that at this call of the layer nothing may be removed there.
        """
        slot = (id(layer), key, position)
        if ids is None:
            self._uncounted.add(slot)
        elif slot in self._slots:
            self.join(self._slots[slot].ids, ids)
        else:
            self._slots[slot] = ConfigSlot(layer=layer, key=key, position=position, ids=ids)

    def lock(self, ids: IdVector | None, path: str, reason: str) -> None:
        """Keep these channels, and tell the user why."""
        if ids is not None and len(ids):
            self._locks.append(LockEvent(path=path, reason=reason, ids=ids))

    def fixed(self, shape: tuple[int | None, ...], axis: int, path: str, reason: str) -> Value:
        """A value whose entries along an axis must all stay."""
        axis %= len(shape)
        size = shape[axis]
        if size is None or axis == 0:
            return Value(shape)
        ids = self._ids.fresh(size)
        self.lock(ids, path, reason)
        return Value(shape, axis, ids)

    def along(self, value: Value, axis: int, call: Call) -> IdVector:
        """Ids of a value along the axis on which a layer wants its channels.

        Channels that lie on another axis are locked, and the wanted axis with them.

        Raises:
            UnsupportedModelError: the size of that axis is not known.
        """
        axis %= len(value.shape)
        size = value.shape[axis]
        if size is None or axis == 0:
            raise UnsupportedModelError(
                f"{call.path}: expected a known number of channels along axis {axis}. "
                f"Received: shape {value.shape}. Build the model with fixed channel counts."
            )
        if value.axis == axis and value.ids is not None:
            return value.ids
        self.lock(value.ids, call.path, f"its channels lie on axis {value.axis}, not on {axis}")
        fixed = self.fixed(value.shape, axis, call.path, "this axis holds no channels")
        assert fixed.ids is not None
        return fixed.ids

    def refuse(self, call: Call, values: list[Value], reason: str) -> list[Value]:
        """Lock all that reaches a call and all that leaves it."""
        for value in values:
            self.lock(value.ids, call.path, reason)
        return [
            self.fixed(out.shape, -1, call.path, f"made by {type(call.layer).__name__}")
            if len(out.shape) > 1
            else Value(out.shape)
            for out in call.outputs
        ]

    def follows(self, source: Any, normalization: Any) -> None:
        """Note what directly reads the output of a layer."""
        self._layers[id(normalization)] = normalization
        self._followers.setdefault(id(source), set()).add(id(normalization))

    def finish(self, model: keras.Model, graph: FlatGraph, values: dict[int, Value]) -> Trace:
        """Close the book.

        Args:
            model: whose channels were followed.
            graph: its calls.
            values: what is known of each tensor, by its index.
        """
        import keras

        for key in self._uncounted & self._slots.keys():
            slot = self._slots[key]
            self.lock(slot.ids, slot.layer.name, "shared between different shapes")
        folds = {}
        for source, followers in self._followers.items():
            last = self._layers[next(iter(followers))]
            if len(followers) == 1 and isinstance(last, keras.layers.BatchNormalization):
                folds[source] = last
        return Trace(
            model=model,
            graph=graph,
            axes=tuple(self._axes.values()),
            slots=tuple(self._slots.values()),
            locks=tuple(self._locks),
            roots=self._ids.roots(),
            folds=folds,
            channels={
                index: (value.axis, value.ids)
                for index, value in values.items()
                if value.axis is not None and value.ids is not None
            },
        )


def trace_model(model: keras.Model) -> Trace:
    """Follow the channels of a Functional or Sequential model.

    Raises:
        UnsupportedModelError: a subclassed model, one in channels_first, a quantized layer.
    """
    from pipeline.prune.rules.table import apply_rule

    graph = flatten(model)
    tracer = Tracer()
    values: dict[int, Value] = {}
    for binding in graph.bindings:
        if not binding.nested:
            values[binding.tensor.index] = tracer.fixed(
                binding.tensor.shape, -1, binding.path, "model input"
            )
    for call in graph.calls:
        _check_layer(call)
        inputs = [values[ref.index] for ref in call.inputs]
        for value in inputs:
            if value.source is not None:
                tracer.follows(value.source, call.layer)
        results = apply_rule(tracer, call, inputs)
        for ref, result in zip(call.outputs, results, strict=True):
            values[ref.index] = result
    for binding in graph.bindings:
        if binding.nested:
            value = values[binding.tensor.index]
            for axis in range(1, len(value.shape)):
                ids = value.ids if axis == value.axis else None
                tracer.count(binding.layer, "batch_shape", ids, axis)
    for ref in graph.outputs:
        value = values[ref.index]
        maker = next((call.path for call in graph.calls if ref in call.outputs), "input")
        tracer.lock(value.ids, maker, "model output")
        if value.source is not None:
            # Read by the caller too: nothing that follows may be folded into it.
            tracer.follows(value.source, model)
    return tracer.finish(model, graph, values)


def _check_layer(call: Call) -> None:
    if getattr(call.layer, "data_format", None) == "channels_first":
        raise UnsupportedModelError(
            f"layer {call.path!r}: expected data_format 'channels_last'. Received: "
            "'channels_first'. Build the same model with "
            "keras.config.set_image_data_format('channels_last') and copy its weights: kernels "
            "have the same shape in both; only dense rows after Flatten change their order."
        )
    quantized = getattr(call.layer, "quantization_mode", None)
    if quantized is not None or getattr(call.layer, "lora_enabled", False):
        raise UnsupportedModelError(
            f"layer {call.path!r}: expected plain float weights. Received: "
            f"{f'quantization {quantized!r}' if quantized else 'LoRA weights'}. "
            "Prune the float model first, and quantize it afterwards."
        )
