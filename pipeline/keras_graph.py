"""A Keras model as one flat list of calls, nested models opened.

Keras has no public way to walk a functional graph; its private attributes are read here and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import UnsupportedModelError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A tensor of the flat graph, in place of a KerasTensor among a call's arguments."""

    index: int
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a layer or of a keras.ops operation.

    Attributes:
        layer: the Keras layer or operation.
        path: its name, behind the names of the nested models around it.
        args, kwargs: as called, tensors replaced by TensorRef.
        inputs: the tensors among them, in order.
        outputs: flat.
    """

    layer: Any
    path: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[TensorRef, ...]
    outputs: tuple[TensorRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """An InputLayer of the model (tensor is fresh) or of a nested one (tensor of the caller)."""

    layer: Any
    path: str
    tensor: TensorRef
    nested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatGraph:
    """All calls in an order in which they can run, and the inputs of all models."""

    calls: tuple[Call, ...]
    bindings: tuple[Binding, ...]
    outputs: tuple[TensorRef, ...]


def functional_of(model: Any) -> Any:
    """The functional graph of a Functional or Sequential model, None for anything else."""
    import keras

    if isinstance(model, keras.Sequential):
        return model._functional
    return model if hasattr(model, "_nodes_by_depth") and isinstance(model, keras.Model) else None


def node_calls(functional: Any) -> Iterator[tuple[Any, tuple[Any, ...], dict[str, Any], list[Any]]]:
    """Yields (operation, args, kwargs, flat outputs) of each call of this model alone, in order."""
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        for node in functional._nodes_by_depth[depth]:
            if not node.is_input:
                yield node.operation, node.arguments.args, node.arguments.kwargs, node.outputs


def input_layers(functional: Any) -> list[Any]:
    """The InputLayer of each input, in order."""
    return [tensor._keras_history.operation for tensor in functional.inputs]


def structures(functional: Any) -> tuple[Any, Any]:
    """Inputs and outputs as the user nested them: a tensor, or lists and dicts of tensors."""
    return functional._inputs_struct, functional._outputs_struct


def replace_tensors(structure: Any, replacement: Callable[[Any], Any]) -> Any:
    """A nested structure with every KerasTensor replaced."""
    import keras

    return keras.tree.map_structure(
        lambda leaf: replacement(leaf) if isinstance(leaf, keras.KerasTensor) else leaf, structure
    )


# Between a layer that makes scores and the output, these change nothing.
_PASSING = frozenset({"Reshape", "Flatten", "Dropout", "Identity"})


def last_call(graph: FlatGraph, output: TensorRef) -> Call | None:
    """The call that makes an output, layers that only pass it on left out.

    None where an input is passed on.
    """
    makers = {ref.index: call for call in graph.calls for ref in call.outputs}
    index = output.index
    while index in makers:
        call = makers[index]
        if type(call.layer).__name__ not in _PASSING or len(call.inputs) != 1:
            return call
        index = call.inputs[0].index
    return None


def is_tensor_ref(value: Any) -> bool:
    """Whether a leaf of a call's arguments is a tensor of the graph."""
    return isinstance(value, TensorRef)


def flatten(model: keras.Model) -> FlatGraph:
    """Walk a model, and the models in it, into one list of calls.

    Raises:
        UnsupportedModelError: it is no built Functional or Sequential model.
    """
    functional = functional_of(model)
    if functional is None:
        raise UnsupportedModelError(
            f"model {getattr(model, 'name', model)!r}: expected a Functional model or a "
            f"Sequential model with a known input. Received: {type(model).__name__}. "
            "Build it from keras.Input and layer calls."
        )
    walker = _Walker()
    inputs = [walker.new_tensor(tensor) for tensor in functional.inputs]
    outputs = walker.walk(functional, inputs, "", nested=False)
    return FlatGraph(
        calls=tuple(walker.calls), bindings=tuple(walker.bindings), outputs=tuple(outputs)
    )


class _Walker:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.bindings: list[Binding] = []
        self._count = 0

    def new_tensor(self, tensor: Any) -> TensorRef:
        self._count += 1
        return TensorRef(self._count - 1, tuple(tensor.shape), str(tensor.dtype))

    def walk(
        self, functional: Any, inputs: list[TensorRef], prefix: str, *, nested: bool
    ) -> list[TensorRef]:
        refs: dict[int, TensorRef] = {}
        for layer, tensor, ref in zip(
            input_layers(functional), functional.inputs, inputs, strict=True
        ):
            refs[id(tensor)] = ref
            binding = Binding(layer=layer, path=prefix + layer.name, tensor=ref, nested=nested)
            self.bindings.append(binding)
        for operation, args, kwargs, outputs in node_calls(functional):
            found: list[TensorRef] = []
            sizes: list[tuple[int | None, ...]] = []

            def resolve(
                tensor: Any,
                found: list[TensorRef] = found,
                sizes: list[tuple[int | None, ...]] = sizes,
            ) -> TensorRef:
                found.append(refs[id(tensor)])
                sizes.append(tuple(tensor.shape))
                return found[-1]

            new_args, new_kwargs = replace_tensors((args, kwargs), resolve)
            inner = functional_of(operation)
            path = prefix + operation.name
            if inner is not None and len(found) == len(inner.inputs):
                results = self.walk(inner, found, path + "/", nested=True)
            else:
                specs = outputs
                if sizes != [ref.shape for ref in found]:
                    specs = _output_specs(operation, new_args, new_kwargs)
                results = [self.new_tensor(spec) for spec in specs]
                self.calls.append(
                    Call(
                        layer=operation,
                        path=path,
                        args=new_args,
                        kwargs=new_kwargs,
                        inputs=tuple(found),
                        outputs=tuple(results),
                    )
                )
            refs.update((id(tensor), ref) for tensor, ref in zip(outputs, results, strict=True))
        return [refs[id(tensor)] for tensor in functional.outputs]


def _output_specs(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Outputs of a call whose inputs have other sizes than where its model was built."""
    import keras

    args, kwargs = keras.tree.map_structure(
        lambda leaf: keras.KerasTensor(leaf.shape, leaf.dtype) if is_tensor_ref(leaf) else leaf,
        (args, kwargs),
    )
    return list(keras.tree.flatten(operation.compute_output_spec(*args, **kwargs)))
