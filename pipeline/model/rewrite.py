"""Rewrites of a Keras model's graph that keep what it computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.model.blocks import BN_MOMENTUM
from pipeline.samples import DEFAULT_SCALING, InputScaling

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A rebuilt model and lines for the user on what was changed."""

    model: keras.Model
    notes: tuple[str, ...]


def absorb_rescaling(model: keras.Model) -> tuple[keras.Model, InputScaling]:
    """Cut off a Rescaling layer at the input.

    Only one with a single scale and offset; others stay, and with them MUL and ADD
    operators. Further Rescaling layers behind it are composed.
    """
    import keras

    scale, offset = 1.0, 0.0
    found = False
    model = _as_functional(model)
    while True:
        first, output = _only_consumer(model)
        if not isinstance(first, keras.layers.Rescaling):
            break
        if not all(isinstance(value, int | float) for value in (first.scale, first.offset)):
            break
        scale, offset = first.scale * scale, first.scale * offset + first.offset
        found = True
        model = keras.Model(output, model.outputs[0], name=model.name)
        only = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
        if len(only) == 1 and isinstance(only[0], keras.Model):
            model = _as_functional(only[0])
    return model, InputScaling(scale=scale, offset=offset) if found else DEFAULT_SCALING


def _only_consumer(model: keras.Model) -> tuple[Any, Any]:
    """The operation that reads the model's input and its output; None where several do."""
    nodes = [
        node
        for nodes in model._nodes_by_depth.values()
        for node in nodes
        if any(tensor is model.inputs[0] for tensor in node.input_tensors)
    ]
    if len(nodes) != 1:
        return None, None
    return nodes[0].operation, nodes[0].output_tensors[0]


def rebuild(
    model: keras.Model,
    input_shape: tuple[int, ...],
    num_classes: int | None,
    origin: str | None = None,
) -> Rebuilt:
    """The same layers with the same weights over another input size and other classes.

    ZeroPadding2D before a strided convolution becomes "same" padding where both are equal
    at the original size; at another size it then adapts, as keras.applications does.

    Args:
        model: Functional or Sequential, of one input and one output.
        input_shape: without the batch; its rank must be the model's.
        num_classes: outputs of a softmax classifier; None keeps the head as it is.
        origin: name of the model's file, for messages; the model's own name where None.
    Raises:
        ConfigError: a layer's weights do not fit the new input; names it.
        UnsupportedModelError: the head has to be replaced and is no Dense layer.
    """
    import keras

    origin = origin or model.name
    if len(input_shape) != len(model.input_shape) - 1:
        raise ConfigError(
            f"{origin}: its input has shape {list(model.input_shape[1:])}. Received for the new "
            f"input: {list(input_shape)}. Choose data of that form."
        )
    head = _head_to_replace(model, num_classes, origin)
    pads = _foldable_pads(model)
    folded = {consumer for consumer in pads.values()}
    cut = set(pads)

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if layer.name in folded:
            config["padding"] = "same"
        if isinstance(layer, keras.layers.BatchNormalization) and num_classes is not None:
            config["momentum"] = BN_MOMENTUM
        if layer.name == head:
            config["units"], config["activation"] = num_classes, "softmax"
        return type(layer).from_config(config)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer.name in cut or (head is not None and _is_softmax(layer)):
            return args[0]
        return layer(*args, **kwargs)

    functional = _as_functional(model)
    try:
        cloned = keras.models.clone_model(
            functional,
            input_tensors=keras.Input(input_shape, name="input"),
            clone_function=clone,
            call_function=call,
        )
    except ValueError as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ConfigError(
            f"{origin}: cannot be rebuilt at input {list(input_shape)}. Received from Keras: "
            f"{reason[:300]}. Choose an input size nearer to {list(model.input_shape[1:])}."
        ) from error
    _copy_by_name(functional, cloned, head, origin)
    notes = []
    if head is not None:
        notes.append(
            f"{origin}: its head has {model.output_shape[-1]} outputs; {head!r} starts afresh "
            f"with {num_classes}"
        )
    if num_classes is not None and head is None:
        cloned, added = with_softmax(cloned)
        notes += [f"{origin}: gave logits; a softmax was added"] if added else []
    return Rebuilt(model=cloned, notes=tuple(notes))


def _as_functional(model: keras.Model) -> keras.Model:
    """Over the same layers, with a plain tensor as its input: older files hold a list."""
    import keras

    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def _is_softmax(layer: Any) -> bool:
    import keras

    if isinstance(layer, keras.layers.Softmax):
        return True
    return isinstance(layer, keras.layers.Activation) and layer.activation is (
        keras.activations.softmax
    )


def _head_to_replace(model: keras.Model, num_classes: int | None, origin: str) -> str | None:
    import keras

    if num_classes is None or model.output_shape[-1] == num_classes:
        return None
    last = [layer for layer in model.layers if not _is_softmax(layer)][-1]
    if not isinstance(last, keras.layers.Dense):
        raise UnsupportedModelError(
            f"{origin}: has {model.output_shape[-1]} outputs where {num_classes} classes are "
            f"needed, and its last layer {last.name!r} is no Dense layer that could be "
            f"replaced. Received: {type(last).__name__}. Use a model that ends in Dense."
        )
    return str(last.name)


def _foldable_pads(model: keras.Model) -> dict[str, str]:
    """ZeroPadding2D layers, and the one convolution behind each, that "same" replaces."""
    import keras

    pads: dict[str, str] = {}
    for layer in model.layers:
        if not isinstance(layer, keras.layers.ZeroPadding2D):
            continue
        consumers = {id(node.operation): node.operation for node in layer._outbound_nodes}
        if len(consumers) != 1:
            continue
        conv = next(iter(consumers.values()))
        if not isinstance(conv, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            continue
        sizes = layer._inbound_nodes[-1].input_tensors[0].shape[1:3]
        if conv.padding != "valid" or max(conv.dilation_rate) > 1 or None in sizes:
            continue
        same = tuple(
            _same_padding(size, kernel, stride)
            for size, kernel, stride in zip(sizes, conv.kernel_size, conv.strides, strict=True)
        )
        if same == tuple(tuple(side) for side in layer.padding):
            pads[layer.name] = conv.name
    return pads


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after that "same" adds, as TFLite and TensorFlow define it."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _copy_by_name(source: keras.Model, target: keras.Model, head: str | None, origin: str) -> None:
    by_name = {layer.name: layer for layer in source.layers}
    for layer in target.layers:
        if not layer.weights or layer.name == head:
            continue
        given = by_name[layer.name]
        shapes = [[tuple(w.shape) for w in side.weights] for side in (given, layer)]
        if shapes[0] != shapes[1]:
            raise ConfigError(
                f"init {origin}: the weights of layer {layer.name!r} depend on the input size. "
                f"Expected shapes {shapes[1]} at input {list(target.input_shape[1:])}. "
                f"Received: {shapes[0]}. Train at input {list(source.input_shape[1:])}, or "
                "start from a model with global pooling."
            )
        layer.set_weights(given.get_weights())


def with_softmax(model: keras.Model) -> tuple[keras.Model, bool]:
    """The same layers with a softmax behind them where they give logits, and whether they do."""
    import keras

    last = model.layers[-1]
    if _is_softmax(last) or getattr(last, "activation", None) is keras.activations.softmax:
        return model, False
    outputs = keras.layers.Softmax(name="softmax")(model.outputs[0])
    return keras.Model(model.inputs[0], outputs, name=model.name), True
