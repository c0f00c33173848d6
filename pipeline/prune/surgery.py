"""Materialise a plan: a new Keras model without the channels that go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import UnsupportedModelError
from pipeline.keras_graph import (
    functional_of,
    input_layers,
    node_calls,
    replace_tensors,
    structures,
)
from pipeline.prune.records import IdVector, PrunePlan
from pipeline.prune.trace import ConfigSlot, Trace

if TYPE_CHECKING:
    import keras

Bools = npt.NDArray[np.bool_]


def kept_ids(trace: Trace, plan: PrunePlan) -> Bools:
    """Whether each channel id of a trace stays, bool [ids]."""
    gone = np.zeros(len(trace.roots), bool)
    gone[plan.dropped_units()] = True
    return ~gone[trace.roots]


def count_params(trace: Trace, kept: Bools) -> int:
    """Entries of all weights after pruning, without building the model.

    Args:
        trace: index maps.
        kept: bool [ids], see `kept_ids`.
    """
    total = sum(int(np.prod(weight.shape)) for weight in trace.model.weights)
    by_weight: dict[tuple[int, str], list[tuple[int, IdVector]]] = {}
    for axis in trace.axes:
        by_weight.setdefault((id(axis.layer), axis.weight), []).append((axis.axis, axis.ids))
    layers = {id(axis.layer): axis.layer for axis in trace.axes}
    for (layer, name), axes in by_weight.items():
        shape = list(weight_named(layers[layer], name).shape)
        total -= int(np.prod(shape))
        for position, ids in axes:
            shape[position] = int(kept[ids].sum())
        total += int(np.prod(shape))
    return total


def weight_named(layer: Any, name: str) -> Any:
    """A layer's weight by Keras' name for it."""
    return next(weight for weight in layer.weights if weight.name == name)


def materialise(trace: Trace, plan: PrunePlan) -> keras.Model:
    """Build the smaller model: same layers, names, calls, inputs and outputs, sliced weights.

    The result is not compiled: optimizer slots of the old shapes mean nothing for it.

    Raises:
        UnsupportedModelError: a layer cannot be rebuilt from its configuration; names it.
    """
    return _Surgeon(trace, kept_ids(trace, plan)).model(trace.model)


class _Surgeon:
    def __init__(self, trace: Trace, kept: Bools) -> None:
        self._kept = kept
        self._new: dict[int, Any] = {}
        self._slots: dict[int, list[ConfigSlot]] = {}
        for slot in trace.slots:
            self._slots.setdefault(id(slot.layer), []).append(slot)
        self._axes: dict[tuple[int, str], list[tuple[int, IdVector]]] = {}
        for axis in trace.axes:
            self._axes.setdefault((id(axis.layer), axis.weight), []).append((axis.axis, axis.ids))
        self._filled: set[int] = set()

    def model(self, old: Any) -> Any:
        """The new model of an old one; of shared models and layers the same at each request."""
        import keras

        if id(old) in self._new:
            return self._new[id(old)]
        sequential = isinstance(old, keras.Sequential)
        new = self._sequential(old) if sequential else self._functional(old)
        if not old.trainable:
            new.trainable = False
        self._new[id(old)] = new
        return new

    def _sequential(self, old: Any) -> Any:
        import keras

        parts = [self._layer(input_layers(functional_of(old))[0])]
        for layer in old.layers:
            nested = functional_of(layer) is not None
            parts.append(self.model(layer) if nested else self._layer(layer))
        new = keras.Sequential(parts, name=old.name)
        for layer in old.layers:
            self._fill(layer)
        return new

    def _functional(self, old: Any) -> Any:
        import keras

        functional = functional_of(old)
        tensors: dict[int, Any] = {}
        for layer, tensor in zip(input_layers(functional), functional.inputs, strict=True):
            tensors[id(tensor)] = self._layer(layer).output
        for operation, args, kwargs, outputs in node_calls(functional):
            args, kwargs = replace_tensors((args, kwargs), lambda tensor: tensors[id(tensor)])
            nested = functional_of(operation) is not None
            new = self.model(operation) if nested else self._layer(operation)
            results = keras.tree.flatten(new(*args, **kwargs))
            if not nested:
                self._fill(operation)
            tensors.update((id(one), other) for one, other in zip(outputs, results, strict=True))
        inputs, outputs = replace_tensors(structures(functional), lambda t: tensors[id(t)])
        return keras.Model(inputs, outputs, name=old.name)

    def _layer(self, old: Any) -> Any:
        if id(old) not in self._new:
            self._new[id(old)] = self._rebuilt(old)
        return self._new[id(old)]

    def _rebuilt(self, old: Any) -> Any:
        """A layer or operation from its configuration, with the numbers of channels that stay."""
        import keras

        if type(old) is keras.layers.Lambda:
            # Through its configuration, a Python function would lose what it refers to.
            return keras.layers.Lambda(
                old.function,
                output_shape=old._output_shape,
                mask=old.mask,
                arguments=old.arguments,
                name=old.name,
                dtype=old.dtype_policy,
            )
        try:
            config = old.get_config()
            for slot in self._slots.get(id(old), []):
                self._set(config, slot)
            new = type(old).from_config(config)
        except (TypeError, ValueError, NotImplementedError) as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), "")
            if not isinstance(old, keras.Layer):
                # Operations hold no weights, and their arguments come with the call.
                return old
            raise UnsupportedModelError(
                f"layer {old.name!r}: cannot be rebuilt from its configuration. Received from "
                f"{type(old).__name__}: {reason[:300]}. Give the class get_config() and "
                "from_config()."
            ) from error
        # Operations do not take their name from a configuration.
        new.name = old.name
        return new

    def _set(self, config: dict[str, Any], slot: ConfigSlot) -> None:
        count = int(self._kept[slot.ids].sum())
        if slot.position is None:
            config[slot.key] = count
            return
        values = list(config[slot.key])
        # -1 takes what is left, whatever that is.
        if values[slot.position] != -1:
            values[slot.position] = count
        config[slot.key] = tuple(values)

    def _fill(self, old: Any) -> None:
        """Copy a layer's weights without the entries that go."""
        if id(old) in self._filled or not getattr(old, "weights", None):
            return
        self._filled.add(id(old))
        if functional_of(old) is not None:
            return
        new = self._new[id(old)]
        arrays = []
        for weight in old.weights:
            array = np.asarray(weight.numpy() if hasattr(weight, "numpy") else weight)
            for axis, ids in self._axes.get((id(old), weight.name), []):
                array = np.compress(self._kept[ids], array, axis=axis)
            arrays.append(array)
        new.set_weights(arrays)
