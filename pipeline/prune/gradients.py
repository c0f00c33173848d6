"""Activations and gradients of a traced model, with TensorFlow, JAX or PyTorch under Keras.

The flat graph is run call by call in inference mode, so that any tensor can be looked at where
a layer reads it. All that differs between the backends stands in this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.errors import UnsupportedModelError
from pipeline.keras_graph import Call, is_tensor_ref
from pipeline.prune.records import ChannelGroup, IdVector, Role
from pipeline.prune.trace import Trace
from pipeline.records import Array

Loss: TypeAlias = Callable[[list[Any], Any], Any]
"""(flat outputs, class indices [samples]) -> loss of each sample [samples], with keras.ops."""

Tap: TypeAlias = Callable[[int, Any], Any]
"""(index of a point, the tensor there) -> the tensor to go on with."""

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One input of one call, which reads channels of a group.

    A tensor that several layers read has a point at each. What is removed is removed there: a
    constant that batch normalization adds behind a depthwise filter counts, and a shortcut
    past a layer is no part of what that layer reads.

    Attributes:
        call: position in the flat graph.
        argument: position among the call's input tensors.
        axis: of the tensor, along which the channels lie.
        entries: int64 [channels, entries per channel] along that axis; strided after Flatten.
    """

    call: int
    argument: int
    axis: int
    entries: IdVector


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients:
    """What one batch gives; the loss is the sum over its samples.

    Samples do not see each other in inference mode, so a row of `gradients` is the gradient of
    that sample's own loss.

    Attributes:
        loss: of each sample, float32 [samples].
        activations: z at each point, float32 [samples, ...].
        gradients: dL/dz at each point, of the same shapes.
        weights: dL/dw of each weight asked for, float32 of its shape.
    """

    loss: Floats
    activations: tuple[Floats, ...]
    gradients: tuple[Floats, ...]
    weights: tuple[Floats, ...]


def points_of(trace: Trace, group: ChannelGroup) -> tuple[Point, ...]:
    """Where layers read the channels of a group; in graph order."""
    readers = {id(axis.layer) for axis in trace.axes if axis.role is Role.IN}
    position = np.full(len(trace.roots), -1, np.int64)
    position[group.units] = np.arange(group.channels)
    points = []
    for index, call in enumerate(trace.graph.calls):
        if id(call.layer) not in readers:
            continue
        for argument, ref in enumerate(call.inputs):
            axis, ids = trace.channels.get(ref.index, (0, np.empty(0, np.int64)))
            owners = position[trace.roots[ids]]
            found = np.flatnonzero(owners >= 0)
            if len(found):
                order = found[np.argsort(owners[found], kind="stable")]
                entries = order.reshape(group.channels, -1)
                points.append(Point(call=index, argument=argument, axis=axis, entries=entries))
    return tuple(points)


def by_channel(point: Point, tensor: Floats) -> Floats:
    """Entries of a tensor at a point by channel: [samples, channels, entries]."""
    moved = np.moveaxis(tensor, point.axis, 1)[:, point.entries]
    return moved.reshape(*moved.shape[:2], -1)


def run_graph(
    trace: Trace,
    x: Sequence[Any],
    points: Sequence[Point] = (),
    tap: Tap | None = None,
    *,
    known: dict[int, Any] | None = None,
    start: int = 0,
    in_training: tuple[type, ...] = (),
) -> list[Any]:
    """Flat outputs of a model in inference mode, as the backend's tensors.

    Args:
        trace: of the model.
        x: one batch per model input, in any numeric dtype.
        points: that `tap` is called for, as often as there are points at an input.
        tap: sees and may change what a call reads; others that read the tensor do not notice.
        known: tensors by index; filled, and read from where `start` is not 0.
        start: the first call that is run again.
        in_training: kinds of layers that run as in training all the same.
    """
    import keras

    calls = trace.graph.calls
    values = {} if known is None else known
    inputs = [binding.tensor for binding in trace.graph.bindings if not binding.nested]
    for ref, array in zip(inputs, x, strict=True):
        values[ref.index] = keras.ops.convert_to_tensor(array, dtype=ref.dtype)
    taps: dict[tuple[int, int], list[int]] = {}
    for index, point in enumerate(points):
        taps.setdefault((point.call, point.argument), []).append(index)
    for position in range(start, len(calls)):
        call = calls[position]
        read = []
        for argument, ref in enumerate(call.inputs):
            value = values[ref.index]
            for index in taps.get((position, argument), []):
                assert tap is not None
                value = _like(tap(index, value), value)
            read.append(value)
        training = isinstance(call.layer, in_training)
        results = keras.tree.flatten(invoke(call, read, training=training))
        values.update((ref.index, value) for ref, value in zip(call.outputs, results, strict=True))
    return [values[ref.index] for ref in trace.graph.outputs]


def _like(tensor: Any, original: Any) -> Any:
    """A tensor with the mask that Keras hands down beside the original."""
    # Keras has no public way to read a tensor's mask.
    from keras.src.backend.common.masking import get_keras_mask, set_keras_mask

    mask = get_keras_mask(original)
    if mask is not None:
        set_keras_mask(tensor, mask)
    return tensor


def invoke(call: Call, read: list[Any], *, training: bool = False) -> Any:
    """What one call makes of the tensors that it reads."""
    import keras

    left = iter(read)
    args, kwargs = keras.tree.map_structure(
        lambda leaf: next(left) if is_tensor_ref(leaf) else leaf, (call.args, call.kwargs)
    )
    if isinstance(call.layer, keras.Layer):
        kwargs = {**kwargs, "training": training}
    return call.layer(*args, **kwargs)


def gradient_function(
    trace: Trace, loss: Loss, points: Sequence[Point] = (), weights: Sequence[Any] = ()
) -> Callable[[Sequence[Array], Array], Gradients]:
    """A function of (one batch per model input, class indices) for the backend in use.

    Args:
        trace: of the model; its weights are read at each call of the function.
        loss: of each sample.
        points: where activations and their gradients are wanted.
        weights: variables of the model whose gradients are wanted, frozen ones too.
    Raises:
        UnsupportedModelError: the backend has no gradients.
    """
    import keras

    backend = keras.config.backend()
    if backend not in _BACKENDS:
        raise UnsupportedModelError(
            f"gradients: expected Keras on {', '.join(_BACKENDS)}. Received: {backend}. Set the "
            "environment variable KERAS_BACKEND, or use a criterion that needs no data."
        )
    return _BACKENDS[backend](_Problem(trace, loss, tuple(points), tuple(weights)))


@dataclass(frozen=True, slots=True)
class _Problem:
    trace: Trace
    loss: Loss
    points: tuple[Point, ...]
    weights: tuple[Any, ...]

    def losses(self, x: Sequence[Any], y: Any, tap: Tap) -> Any:
        """Loss of each sample [samples]."""
        from keras import ops

        outputs = run_graph(self.trace, x, self.points, tap)
        return ops.reshape(ops.cast(self.loss(outputs, y), "float32"), (-1,))


_Function: TypeAlias = Callable[[Sequence[Array], Array], Gradients]


def _tensorflow(problem: _Problem) -> _Function:
    import tensorflow as tf

    def function(x: Sequence[Array], y: Array) -> Gradients:
        tapped: list[Any] = [None] * len(problem.points)
        values = [weight.value for weight in problem.weights]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for value in values:
                tape.watch(value)

            def tap(index: int, z: Any) -> Any:
                tapped[index] = tf.identity(z)
                tape.watch(tapped[index])
                return tapped[index]

            losses = problem.losses(x, tf.convert_to_tensor(y), tap)
            total = tf.reduce_sum(losses)
        # Gradients of embeddings come as slices.
        found = [
            tf.convert_to_tensor(gradient)
            for gradient in tape.gradient(total, tapped + values, unconnected_gradients="zero")
        ]
        return _gathered(losses, tapped, found)

    return function


def _jax(problem: _Problem) -> _Function:
    import jax
    import keras

    variables = problem.trace.model.variables
    of_weight = {id(variable): index for index, variable in enumerate(variables)}
    chosen = [of_weight[id(weight)] for weight in problem.weights]

    def run(
        offsets: list[Any], wanted: list[Any], values: list[Any], x: Any, y: Any
    ) -> tuple[Any, tuple[Any, list[Any]]]:
        values = list(values)
        for index, value in zip(chosen, wanted, strict=True):
            values[index] = value
        tapped: list[Any] = [None] * len(problem.points)

        def tap(index: int, z: Any) -> Any:
            # dL/d offset at 0 is dL/dz.
            tapped[index] = z + offsets[index] if offsets else z
            return tapped[index]

        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            losses = problem.losses(x, y, tap)
        return losses.sum(), (losses, tapped)

    gradient = jax.jit(jax.grad(run, argnums=(0, 1), has_aux=True))

    def function(x: Sequence[Array], y: Array) -> Gradients:
        values = [variable.value for variable in variables]
        wanted = [values[index] for index in chosen]
        x, labels = [np.asarray(array) for array in x], np.asarray(y, np.int32)
        shapes = jax.eval_shape(run, [], wanted, values, x, labels)[1][1]
        offsets = [jax.numpy.zeros(shape.shape, shape.dtype) for shape in shapes]
        found, (losses, tapped) = gradient(offsets, wanted, values, x, labels)
        return _gathered(losses, tapped, [*found[0], *found[1]])

    return function


def _torch(problem: _Problem) -> _Function:
    import torch
    from keras import ops

    def function(x: Sequence[Array], y: Array) -> Gradients:
        tapped: list[Any] = [None] * len(problem.points)
        values = [weight.value for weight in problem.weights]
        frozen = [value for value in values if not value.requires_grad]

        def tap(index: int, z: Any) -> Any:
            tapped[index] = z.clone()
            if not tapped[index].requires_grad:
                tapped[index].requires_grad_()
            return tapped[index]

        try:
            for value in frozen:
                value.requires_grad_()
            with torch.enable_grad():
                losses = problem.losses(x, ops.convert_to_tensor(y), tap)
            sources = tapped + values
            found = torch.autograd.grad(losses.sum(), sources, allow_unused=True)
        finally:
            for value in frozen:
                value.requires_grad_(False)
        filled = [
            torch.zeros_like(source) if gradient is None else gradient
            for source, gradient in zip(sources, found, strict=True)
        ]
        return _gathered(losses, tapped, filled)

    return function


_BACKENDS: dict[str, Callable[[_Problem], _Function]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
    "torch": _torch,
}


def _gathered(losses: Any, tapped: list[Any], found: list[Any]) -> Gradients:
    return Gradients(
        loss=_as_numpy(losses),
        activations=tuple(_as_numpy(tensor) for tensor in tapped),
        gradients=tuple(_as_numpy(tensor) for tensor in found[: len(tapped)]),
        weights=tuple(_as_numpy(tensor) for tensor in found[len(tapped) :]),
    )


def _as_numpy(tensor: Any) -> Floats:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def losses_of(outputs: list[Any], y: Array, loss: Loss) -> Floats:
    """Loss of each sample, float32 [samples], without gradients."""
    from keras import ops

    return _as_numpy(ops.reshape(loss(outputs, ops.convert_to_tensor(y)), (-1,)))


def batches(
    x: Sequence[Array], y: Array, batch_size: int
) -> list[tuple[list[Array], npt.NDArray[np.int64]]]:
    """Consecutive samples; the last batch may be smaller."""
    parts = [slice(at, at + batch_size) for at in range(0, len(y), batch_size)]
    return [([array[part] for array in x], np.asarray(y[part], np.int64)) for part in parts]
