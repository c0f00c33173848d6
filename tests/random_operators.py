"""Random operators: for each, options that TFLite allows and an output that suits them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.records import INT4
from tests import one_op
from tests.one_op import Pair, quant_of, shape_of
from tests.random_draw import MAX_VALUES, Maker

_MAX_WEIGHTS = 4000


def _spread(maker: Maker, x: int, taps: int, options: Mapping[str, Any]) -> float:
    """How far from 0, mostly, sums of `taps` products of random inputs and weights lie."""
    scale, zero_point = quant_of(maker.builder, x)
    low, high = options["filter_limits"]
    input_mean, weight_mean = -0.5 - zero_point, (low + high) / 2
    input_power = input_mean**2 + 256**2 / 12
    weight_power = weight_mean**2 + (high - low) ** 2 / 12
    mean = input_mean * weight_mean
    deviation = math.sqrt(taps * (input_power * weight_power - mean**2))
    return float((abs(taps * mean) + 2 * deviation) * scale * options["filter_scale"])


def _window(maker: Maker, height: int, width: int) -> dict[str, Any]:
    """Kernel, stride, dilation and padding that leave an output."""
    draw = maker.draw
    size = draw.pick((3, 1, 2, 5, draw.integer(1, 10)))
    kernel = (size, size) if not maker.once_in(3) else (draw.integer(1, 10), draw.integer(1, 5))
    stride = draw.pick(((1, 1), (2, 2), (draw.integer(1, 4), draw.integer(1, 4))))
    dilation = (1, 1)
    if maker.once_in(6):
        dilation = (draw.integer(1, 3), draw.integer(1, 3))
    padding = draw.pick(("SAME", "VALID"))
    reach = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True)]
    if padding == "VALID" and (reach[0] > height or reach[1] > width):
        padding = "SAME"
    return {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}


def _weights(maker: Maker) -> dict[str, Any]:
    """What convolutions and fully connected layers have in common."""
    limits: Pair = (-127, 127)
    if maker.once_in(4):
        limits = maker.draw.pick(((-20, 20), (-128, 127), (-128, -100), (0, 127)))
    bias = maker.draw.pick((1000, None, 20_000, 0, 2_000_000))
    if maker.once_in(5):
        # Of four bits; -8 is what other tools than ours may write.
        return {
            "bias": bias,
            "filter_dtype": INT4,
            "filter_limits": maker.draw.pick(((-7, 7), (-7, 7), (-8, 7), (0, 7))),
            "filter_scale": maker.scale(0.15),
            "per_channel": not maker.once_in(5),
        }
    return {
        "bias": bias,
        "filter_limits": limits,
        "filter_scale": maker.scale(0.01),
        "per_channel": not maker.once_in(5),
    }


def _conv_2d(maker: Maker, x: int) -> int:
    _, height, width, depth = shape_of(maker.builder, x)
    options = {**_window(maker, height, width), **_weights(maker)}
    # The reference takes no convolution without one.
    options["bias"] = 1000 if options["bias"] is None else options["bias"]
    taps = depth * math.prod(options["kernel"])
    most = max(1, min(40, _MAX_WEIGHTS // taps, 2 * MAX_VALUES // (height * width)))
    channels = maker.draw.integer(1, most)
    if maker.draw.pick((True, False)) and most >= 4:
        channels = max(4, channels - channels % 4)
    if depth > 1 and maker.once_in(10):
        groups = maker.draw.pick([n for n in range(2, depth + 1) if depth % n == 0])
        channels = groups * max(1, channels // groups)
        options["groups"] = groups
        taps //= groups
    return _filtered(maker, one_op.conv_2d, x, taps, {**options, "channels": channels})


def _depthwise_conv_2d(maker: Maker, x: int) -> int:
    _, height, width, depth = shape_of(maker.builder, x)
    options = {**_window(maker, height, width), **_weights(maker)}
    taps = math.prod(options["kernel"])
    if maker.once_in(5):
        options["multiplier"] = maker.draw.integer(1, max(1, min(4, 40 // depth)))
    return _filtered(maker, one_op.depthwise_conv_2d, x, taps, options)


def _fully_connected(maker: Maker, x: int) -> int:
    length = shape_of(maker.builder, x)[-1]
    outputs = maker.draw.integer(1, max(1, min(40, _MAX_WEIGHTS // length)))
    options = {**_weights(maker), "outputs": outputs, "per_channel": maker.once_in(3)}
    if maker.once_in(4):
        options["keep_num_dims"] = True
    return _filtered(maker, one_op.fully_connected, x, length, options)


def _filtered(
    maker: Maker, add: Callable[..., int], x: int, taps: int, options: Mapping[str, Any]
) -> int:
    """An operator with weights, whose output suits them."""
    activation = maker.activation()
    output = maker.output(_spread(maker, x, taps, options), activation)
    return add(maker.builder, maker.rng, x, **options, activation=activation, output=output)


def _binary(maker: Maker, x: int) -> int:
    builder, draw = maker.builder, maker.draw
    kind = draw.pick(("ADD", "ADD", "MUL", "SUB", "MAXIMUM", "MINIMUM", "PRELU"))
    shape = shape_of(builder, x)
    quant = quant_of(builder, x)
    options: dict[str, Any] = {"kind": kind}
    # These neither rescale nor take operands of different scales.
    moves = kind in ("MAXIMUM", "MINIMUM")
    if kind == "PRELU" or maker.once_in(3):
        kept = [size if draw.pick((True, False)) else 1 for size in shape]
        options["constant_shape"] = draw.pick((kept, shape, (shape[-1],), (1,)))
        other = quant if moves else (maker.scale(quant[0]), maker.zero_point())
        options["other_quant"] = other
    else:
        options["other"] = draw.pick(maker.like(x, quant if moves else None))
        other = quant_of(builder, options["other"])
    if kind != "PRELU":
        options["swap"] = maker.once_in(3)
    if moves:
        return one_op.binary(builder, maker.rng, x, **options, output=quant)
    options["activation"] = maker.activation()
    largest = max(quant[0], other[0])
    spread = 256 * largest if kind in ("ADD", "SUB") else 128**2 * quant[0] * other[0]
    output = maker.output(spread, options["activation"])
    return one_op.binary(builder, maker.rng, x, **options, output=output)


def _pool_2d(maker: Maker, x: int) -> int:
    _, height, width, _ = shape_of(maker.builder, x)
    options = _window(maker, height, width)
    del options["dilation"]
    kind = maker.draw.pick(("AVERAGE_POOL_2D", "MAX_POOL_2D"))
    if options["kernel"][0] > height or options["kernel"][1] > width:
        options["padding"] = "SAME"
    return one_op.pool_2d(
        maker.builder,
        maker.rng,
        x,
        kind=kind,
        activation=maker.activation(),
        **options,
    )


def _mean(maker: Maker, x: int) -> int:
    shape = shape_of(maker.builder, x)
    # Neighbouring axes: the engine takes no others.
    first = maker.draw.integer(min(1, len(shape) - 1), len(shape) - 1)
    axes = tuple(range(first, maker.draw.integer(first, len(shape) - 1) + 1))
    if len(shape) == 4 and maker.draw.pick((True, False)):
        axes = (1, 2)
    scale, _ = quant_of(maker.builder, x)
    options: dict[str, Any] = {"axes": axes, "keep_dims": maker.once_in(3)}
    if maker.once_in(3):
        # It moves values only.
        return one_op.mean(maker.builder, maker.rng, x, kind="REDUCE_MAX", **options)
    output = None if maker.draw.pick((True, False)) else (maker.scale(scale), maker.zero_point())
    return one_op.mean(maker.builder, maker.rng, x, **options, output=output)


def _pad(maker: Maker, x: int) -> int:
    shape = shape_of(maker.builder, x)
    amounts = [(0, 0)] * len(shape)
    for axis in range(1, len(shape)):
        if axis < len(shape) - 1 or maker.once_in(4):
            amounts[axis] = (maker.draw.integer(0, 2), maker.draw.integer(0, 2))
    return one_op.pad(maker.builder, maker.rng, x, amounts=amounts)


def _padded(maker: Maker, x: int) -> int | list[int]:
    """A PAD of an image and one or two readers that may do its padding themselves."""
    draw = maker.draw
    most = draw.pick((1, 2, 1, 4))
    sides = [(draw.integer(0, most), draw.integer(0, most)) for _ in range(2)]
    amounts = [(0, 0), *sides, (0, 0)]
    y = one_op.pad(maker.builder, maker.rng, x, amounts=amounts)
    readers = [draw.pick((_conv_2d, _depthwise_conv_2d, _pool_2d))(maker, y)]
    if maker.once_in(6):
        readers.append(draw.pick((_conv_2d, _depthwise_conv_2d, _pool_2d))(maker, y))
    if maker.once_in(6):
        # One that cannot: others may read it, and the model may give it out.
        readers.append(y)
    return readers


def _blocks(maker: Maker, x: int) -> int:
    _, height, width, channels = shape_of(maker.builder, x)
    deep = [n for n in (2, 3, 4) if channels % n**2 == 0]
    wide = [n for n in (2, 3, 4) if height % n == width % n == 0]
    choices = [("DEPTH_TO_SPACE", n) for n in deep] + [("SPACE_TO_DEPTH", n) for n in wide]
    kind, block = maker.draw.pick(choices or [("SPACE_TO_DEPTH", 1)])
    return one_op.blocks(maker.builder, maker.rng, x, kind=kind, block=block)


def _softmax(maker: Maker, x: int) -> int:
    if shape_of(maker.builder, x)[-1] >= 512:
        # The reference aborts the whole process where so many classes are alike.
        return _quantize(maker, x)
    beta = maker.draw.pick((1.0, maker.draw.real(0.1, 4.0)))
    return one_op.softmax(maker.builder, maker.rng, x, beta=beta)


def _quantize(maker: Maker, x: int) -> int:
    scale, _ = quant_of(maker.builder, x)
    output = (maker.scale(scale), maker.zero_point())
    return one_op.quantize(maker.builder, maker.rng, x, output=output)


def _function(maker: Maker, x: int) -> int:
    kind = maker.draw.pick(
        ("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH")
    )
    options: dict[str, Any] = {}
    if kind == "LEAKY_RELU":
        options["alpha"] = maker.draw.real(0.0, 2.0)
    if kind not in one_op.FUNCTION_QUANTS and maker.draw.pick((True, False)):
        scale, _ = quant_of(maker.builder, x)
        options["output"] = (maker.scale(scale), maker.zero_point())
    return one_op.function(maker.builder, maker.rng, x, kind=kind, **options)


def _reshape(maker: Maker, x: int) -> int:
    size = math.prod(shape_of(maker.builder, x))
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    first = maker.draw.pick(divisors)
    target = maker.draw.pick(
        ((1, size), (1, first, size // first, 1), (1, first, 1, size // first))
    )
    return one_op.reshape(maker.builder, maker.rng, x, target=target)


def _transpose_conv(maker: Maker, x: int) -> int:
    _, height, width, depth = shape_of(maker.builder, x)
    draw = maker.draw
    kernel = (draw.integer(1, 5), draw.integer(1, 5))
    stride = draw.pick(((2, 2), (1, 1), (draw.integer(1, 3), draw.integer(1, 3))))
    padding = draw.pick(("SAME", "VALID"))
    sizes = []
    for size, taps, step in zip((height, width), kernel, stride, strict=True):
        # The sizes that a convolution with these options makes `size` of.
        if padding == "SAME":
            sizes.append(size * step - draw.integer(0, step - 1))
        else:
            sizes.append((size - 1) * step + taps + draw.integer(0, step - 1))
    taps = depth * math.prod(kernel)
    most = max(1, min(12, _MAX_WEIGHTS // taps, 4 * MAX_VALUES // math.prod(sizes)))
    options = {**_weights(maker), "channels": draw.integer(1, most), "size": tuple(sizes)}
    taps = max(1, taps // math.prod(stride))
    activation = maker.activation()
    output = maker.output(_spread(maker, x, taps, options), activation)
    del options["filter_limits"]
    options.pop("filter_dtype", None)
    return one_op.transpose_conv(
        maker.builder,
        maker.rng,
        x,
        **options,
        kernel=kernel,
        stride=stride,
        padding=padding,
        activation=activation,
        output=output,
    )


def _resize(maker: Maker, x: int) -> int:
    draw = maker.draw
    places = draw.pick(({}, {"align_corners": True}, {"half_pixel_centers": True}))
    return one_op.resize(
        maker.builder,
        maker.rng,
        x,
        kind=draw.pick(("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR")),
        size=(draw.integer(1, 16), draw.integer(1, 16)),
        **places,
    )


def _slice(maker: Maker, x: int) -> int:
    shape = shape_of(maker.builder, x)
    begin = [maker.draw.integer(0, size - 1) for size in shape]
    size = [
        maker.draw.pick((-1, maker.draw.integer(1, length - first)))
        for length, first in zip(shape, begin, strict=True)
    ]
    return one_op.slice_(maker.builder, maker.rng, x, begin=begin, size=size)


def _strided_slice(maker: Maker, x: int) -> int:
    shape = shape_of(maker.builder, x)
    begin, end, steps = [], [], []
    for length in shape:
        ends = maker.draw.integer(0, length - 1), maker.draw.integer(0, length - 1)
        begin.append(min(ends))
        end.append(max(ends) + 1)
        steps.append(maker.draw.integer(1, 3))
    return one_op.strided_slice(maker.builder, maker.rng, x, begin=begin, end=end, step=steps)


def _split(maker: Maker, x: int) -> list[int]:
    draw = maker.draw
    shape = shape_of(maker.builder, x)
    axis = draw.integer(min(1, len(shape) - 1), len(shape) - 1)
    whole = shape[axis]
    kind = draw.pick(("SPLIT", "SPLIT_V", "UNPACK"))
    if kind == "UNPACK" and whole > 6:
        kind = "SPLIT_V"
    if kind == "SPLIT_V":
        first = draw.integer(1, whole)
        sizes = [first, whole - first] if first < whole else [whole]
    else:
        parts = [n for n in range(1, min(whole, 6) + 1) if whole % n == 0]
        count = whole if kind == "UNPACK" else draw.pick(parts)
        sizes = [whole // count] * count
    return one_op.split(maker.builder, maker.rng, x, kind=kind, axis=axis, sizes=sizes)


def _transpose(maker: Maker, x: int) -> int:
    order = list(range(len(shape_of(maker.builder, x))))
    for place in range(1, len(order) - 1):
        other = maker.draw.integer(place, len(order) - 1)
        order[place], order[other] = order[other], order[place]
    return one_op.transpose(maker.builder, maker.rng, x, order=order)


def _join(maker: Maker, x: int) -> int:
    draw = maker.draw
    alike = maker.like(x, quant_of(maker.builder, x))
    inputs = [x, *(draw.pick(alike) for _ in range(draw.integer(0, 3)))]
    rank = len(shape_of(maker.builder, x))
    if rank < 4 and maker.once_in(3):
        return one_op.pack(maker.builder, maker.rng, inputs, axis=draw.integer(0, rank))
    axis = draw.integer(min(1, rank - 1), rank - 1)
    return one_op.concatenation(maker.builder, maker.rng, inputs, axis=axis)


def _tile(maker: Maker, x: int) -> int:
    shape = shape_of(maker.builder, x)
    multiples = [1] * len(shape)
    for _ in range(2):
        axis = maker.draw.integer(min(1, len(shape) - 1), len(shape) - 1)
        multiples[axis] = maker.draw.integer(1, 3)
    return one_op.tile(maker.builder, maker.rng, x, multiples=multiples)


Operator = Callable[[Maker, int], int | list[int]]

# Operators on images [1, height, width, channels] by name, those with kernels of their own more
# often; the others take tensors of any shape.
IMAGE_OPERATORS: Mapping[str, tuple[Operator, int]] = {
    "blocks": (_blocks, 1),
    "conv_2d": (_conv_2d, 10),
    "depthwise_conv_2d": (_depthwise_conv_2d, 8),
    "padded": (_padded, 4),
    "pool_2d": (_pool_2d, 5),
    "resize": (_resize, 1),
    "transpose_conv": (_transpose_conv, 2),
}
ANY_OPERATORS: Mapping[str, tuple[Operator, int]] = {
    "binary": (_binary, 7),
    "fully_connected": (_fully_connected, 5),
    "function": (_function, 2),
    "join": (_join, 2),
    "mean": (_mean, 2),
    "pad": (_pad, 2),
    "quantize": (_quantize, 2),
    "reshape": (_reshape, 1),
    "slice": (_slice, 1),
    "softmax": (_softmax, 2),
    "split": (_split, 1),
    "strided_slice": (_strided_slice, 1),
    "tile": (_tile, 1),
    "transpose": (_transpose, 1),
}
OPERATORS = {**IMAGE_OPERATORS, **ANY_OPERATORS}
