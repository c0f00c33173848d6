"""Models that show what kernels cost: many operators on one input, and small random networks.

None of them is a reference model, or has a layer that was taken from one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from tests import one_op
from tests.cost_draw import Sheet
from tests.one_op import quant_of, shape_of
from tests.random_draw import Maker, SeededDraw
from tests.random_operators import ANY_OPERATORS, IMAGE_OPERATORS

# Of a sheet: an emulator takes seconds for some millions of MACs.
_OPERATORS = 16
_MOST_MACS = 250_000
_MOST_WEIGHTS = 60_000


def _convolutions(sheet: Sheet, channels: tuple[int, ...], kernels: tuple[int, ...]) -> None:
    draw = sheet.draw
    x = sheet.image(draw.pick(channels), 4000, max(kernels) if max(kernels) < 8 else 3)
    _, height, width, depth = shape_of(sheet.builder, x)
    for _ in range(_OPERATORS):
        size = draw.pick(kernels)
        kernel = (size, size) if draw.integer(1, 4) > 1 else (size, draw.pick(kernels))
        stride = draw.pick((1, 1, 2))
        pixels = -(-height // stride) * -(-width // stride)
        taps = depth * math.prod(kernel)
        most = min(96, 6000 // pixels, _MOST_MACS // (taps * pixels), _MOST_WEIGHTS // taps // 8)
        padding = "SAME" if min(height, width) < max(kernel) else draw.pick(("SAME", "VALID"))
        outputs = draw.integer(1, max(1, most))
        if outputs > 4 and draw.pick((True, True, False)):
            outputs -= outputs % 4
        sheet.outputs.append(sheet.conv_2d(x, outputs, kernel, stride, padding=padding))


def _colour(sheet: Sheet) -> None:
    _convolutions(sheet, (3,), (3,))


def _pointwise(sheet: Sheet) -> None:
    _convolutions(sheet, (4, 8, 12, 16, 20, 24, 32, 40, 56, 72, 96, 6, 10, 18), (1,))


def _spatial(sheet: Sheet) -> None:
    _convolutions(sheet, (1, 2, 3, 4, 6, 8, 12, 16, 20, 24), (3, 2, 4, 5))


def _sliding(sheet: Sheet) -> None:
    _convolutions(sheet, (4, 5, 6, 8, 10, 12, 16, 24, 32), (3,))


def _large(sheet: Sheet) -> None:
    _convolutions(sheet, (1, 2, 3), (5, 7, 8, 10, 4))


def _grouped(sheet: Sheet) -> None:
    """What only the portable kernels do."""
    draw = sheet.draw
    x = sheet.image(draw.pick((4, 8, 12, 16)), 4000, 5)
    _, height, width, depth = shape_of(sheet.builder, x)
    for _ in range(_OPERATORS // 2):
        groups = draw.pick((2, 4))
        outputs = groups * draw.integer(1, 8)
        sheet.outputs.append(sheet.conv_2d(x, outputs, (3, 3), draw.pick((1, 2)), groups=groups))
        dilation: dict[str, Any] = {"dilation": (2, 2)}
        sheet.outputs.append(sheet.conv_2d(x, draw.integer(2, 16), (3, 3), 1, **dilation))
        more = draw.pick((dilation, {"multiplier": 2}))
        sheet.outputs.append(sheet.depthwise(x, (3, 3), 1, **more))


def _depthwise(sheet: Sheet) -> None:
    draw = sheet.draw
    sheet.varied = True
    x = sheet.image(draw.pick((2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 3, 10, 18)), 6000)
    for _ in range(_OPERATORS):
        stride = draw.pick((1, 1, 2))
        sheet.outputs.append(
            sheet.depthwise(x, (3, 3), stride, padding=draw.pick(("SAME", "SAME", "VALID")))
        )


def _depthwise_large(sheet: Sheet) -> None:
    draw = sheet.draw
    x = sheet.image(draw.pick((2, 4, 8, 16, 24, 32)), 4000, 8)
    for _ in range(_OPERATORS):
        kernel = draw.pick(((5, 5), (7, 7), (3, 5), (5, 3), (4, 4), (8, 2), (2, 8), (9, 1)))
        stride = draw.pick((1, 1, 2))
        sheet.outputs.append(
            sheet.depthwise(x, kernel, stride, padding=draw.pick(("SAME", "SAME", "VALID")))
        )


def _connected(sheet: Sheet) -> None:
    draw = sheet.draw
    sheet.input = x = sheet.tensor("input", [draw.pick((1, 1, 1, 5)), draw.integer(4, 700)])
    length = shape_of(sheet.builder, x)[1]
    for _ in range(_OPERATORS):
        outputs = draw.pick((draw.integer(1, 12), draw.integer(2, max(2, 12_000 // length))))
        more: dict[str, Any] = {"per_channel": draw.pick((True, False))}
        sheet.outputs.append(sheet.dense(x, min(outputs, 400), **more))


def _few(sheet: Sheet) -> None:
    """So few outputs that their inputs are not laid into a column."""
    draw = sheet.draw
    sheet.input = x = sheet.tensor("input", [draw.pick((1, 1, 3)), draw.integer(4, 1500)])
    for _ in range(_OPERATORS):
        sheet.outputs.append(sheet.dense(x, draw.integer(1, 4)))


def _double(sheet: Sheet) -> None:
    """Factors that have no exact integer form."""
    draw = sheet.draw
    shape = [draw.pick((1, 3)), draw.integer(8, 120)]
    sheet.input = x = sheet.builder.tensor("input", shape, scale=1.0, zero_point=3)
    for _ in range(_OPERATORS):
        options: dict[str, Any] = {
            "outputs": draw.integer(1, 24),
            "filter_scale": 7.0,
            "output": (20.0, -5),
        }
        options["filter_limits"] = (-3, 3)
        sheet.outputs.append(one_op.fully_connected(sheet.builder, sheet.rng, x, **options))


def _real(sheet: Sheet) -> None:
    """Floating-point inputs and outputs."""
    draw, builder, rng = sheet.draw, sheet.builder, sheet.rng
    shape = [1, draw.integer(1, 30), draw.integer(1, 60)]
    sheet.input = x = builder.tensor("input", shape, dtype="float32")
    y = one_op.quantize(builder, rng, x, output=(0.01, draw.integer(-128, 20)))
    sheet.outputs.append(one_op.dequantize(builder, rng, y))


def _elementwise(sheet: Sheet) -> None:
    draw, builder, rng = sheet.draw, sheet.builder, sheet.rng
    x = sheet.image(draw.pick((1, 4, 7, 8, 16, 24, 32)), 2500, 2)
    depth = shape_of(builder, x)[3]
    scale, _ = quant_of(builder, x)
    gate = one_op.mean(builder, rng, x, keep_dims=True)
    alike = [x]
    for kind in ("RELU", "LOGISTIC", "TANH", "HARD_SWISH"):
        alike.append(one_op.function(builder, rng, x, kind=kind))
    for kind in ("ADD", "SUB", "MUL", "ADD", "MUL"):
        output = (scale * 1.7 if kind != "MUL" else 128 * scale**2, draw.integer(-20, 20))
        other = draw.pick((*alike, gate) if kind == "MUL" else alike)
        sheet.outputs.append(one_op.binary(builder, rng, x, kind=kind, other=other, output=output))
        shape = draw.pick(((1,), (depth,), tuple(shape_of(builder, x))))
        options: dict[str, Any] = {"constant_shape": shape, "output": output}
        sheet.outputs.append(one_op.binary(builder, rng, x, kind=kind, **options))
    for kind in ("MAXIMUM", "MINIMUM"):
        options = {"constant_shape": (depth,), "output": quant_of(builder, x)}
        options["other_quant"] = quant_of(builder, x)
        sheet.outputs.append(one_op.binary(builder, rng, x, kind=kind, **options))
    sheet.outputs.append(one_op.binary(builder, rng, x, kind="PRELU", constant_shape=(1, 1, depth)))
    sheet.outputs += alike[1:]
    sheet.outputs.append(one_op.quantize(builder, rng, x, output=(scale, 5)))
    _, zero_point = quant_of(builder, x)
    flipped: dict[str, Any] = {"dtype": "uint8", "output": (scale, zero_point + 128)}
    sheet.outputs.append(one_op.quantize(builder, rng, x, **flipped))
    sheet.outputs.append(one_op.dequantize(builder, rng, x))


def _reductions(sheet: Sheet) -> None:
    draw, builder, rng = sheet.draw, sheet.builder, sheet.rng
    x = sheet.image(draw.pick((1, 3, 4, 8, 12, 16, 18, 32, 64, 96)), draw.pick((1500, 9000)), 4)
    _, height, width, _ = shape_of(builder, x)
    scale, _ = quant_of(builder, x)
    for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        for _ in range(4):
            size = draw.integer(2, 4)
            options: dict[str, Any] = {
                "kernel": (size, draw.pick((size, 2))),
                "padding": draw.pick(("SAME", "VALID")),
            }
            stride = draw.pick(((size, size), (1, 1), (2, 2)))
            sheet.outputs.append(
                one_op.pool_2d(builder, rng, x, kind=kind, stride=stride, **options)
            )
        options = {"kernel": (height, width), "stride": (height, width)}
        sheet.outputs.append(one_op.pool_2d(builder, rng, x, kind=kind, **options))
    for axes in ((1, 2), (1,), (2,), (3,)):
        output = draw.pick((None, (scale * 0.7, 3)))
        sheet.outputs.append(one_op.mean(builder, rng, x, axes=axes, output=output))
        sheet.outputs.append(one_op.mean(builder, rng, x, axes=axes, kind="REDUCE_MAX"))
    sheet.outputs.append(one_op.arg_max(builder, rng, x, axis=3, dtype="int32"))
    sheet.outputs.append(one_op.softmax(builder, rng, x))


def _moves(sheet: Sheet) -> None:
    draw, builder, rng = sheet.draw, sheet.builder, sheet.rng
    x = sheet.image(draw.pick((1, 2, 4, 8, 12, 16)), 2500, 4)
    _, height, width, depth = shape_of(builder, x)
    for _ in range(2):
        sides = [(draw.integer(0, 2), draw.integer(0, 2)) for _ in range(2)]
        deep = draw.pick(((0, 0), (0, 0), (0, 3)))
        sheet.outputs.append(one_op.pad(builder, rng, x, amounts=[(0, 0), *sides, deep]))
        copies = [x] * draw.integer(2, 3)
        sheet.outputs.append(one_op.concatenation(builder, rng, copies, axis=draw.integer(1, 3)))
        for kind in ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"):
            size = (draw.integer(2, 18), draw.integer(2, 18))
            sheet.outputs.append(one_op.resize(builder, rng, x, kind=kind, size=size))
        order = draw.pick(([0, 2, 1, 3], [0, 1, 3, 2], [0, 3, 1, 2]))
        sheet.outputs.append(one_op.transpose(builder, rng, x, order=order))
        begin = [0, draw.integer(0, 1), draw.integer(0, 1), draw.integer(0, depth - 1)]
        sheet.outputs.append(one_op.slice_(builder, rng, x, begin=begin, size=[-1] * 4))
        kernel = draw.pick(((2, 2), (3, 3), (4, 4)))
        sizes = (2 * height, 2 * width)
        options: dict[str, Any] = {"channels": draw.integer(1, 6), "size": sizes, "kernel": kernel}
        sheet.outputs.append(
            one_op.transpose_conv(
                builder, rng, x, output=sheet.suit(x, 3 * depth, "NONE"), **options
            )
        )
    sheet.outputs.append(one_op.tile(builder, rng, x, multiples=[1, 1, 2, 1]))


def _nibbles(sheet: Sheet) -> None:
    """Convolutions with weights of four bits."""
    sheet.four_bits = True
    sheet.varied = sheet.draw.pick((True, False))
    sheet.draw.pick((_pointwise, _spatial, _sliding, _large))(sheet)


def _nibbles_grouped(sheet: Sheet) -> None:
    sheet.four_bits = True
    _grouped(sheet)


def _nibbles_connected(sheet: Sheet) -> None:
    sheet.four_bits = True
    _connected(sheet)


def _nibbles_few(sheet: Sheet) -> None:
    sheet.four_bits = True
    _few(sheet)


# By name, with how many of each.
SHEETS: Mapping[str, tuple[Callable[[Sheet], None], int]] = {
    "colour": (_colour, 3),
    "pointwise": (_pointwise, 6),
    "spatial": (_spatial, 6),
    "sliding": (_sliding, 4),
    "large": (_large, 3),
    "grouped": (_grouped, 3),
    "depthwise": (_depthwise, 6),
    "depthwise_large": (_depthwise_large, 4),
    "connected": (_connected, 4),
    "few": (_few, 3),
    "double": (_double, 2),
    "real": (_real, 3),
    "elementwise": (_elementwise, 5),
    "reductions": (_reductions, 5),
    "moves": (_moves, 4),
    "nibbles": (_nibbles, 10),
    "nibbles_grouped": (_nibbles_grouped, 2),
    "nibbles_connected": (_nibbles_connected, 4),
    "nibbles_few": (_nibbles_few, 3),
}
RANDOM_SHEETS = 16
NETWORKS = 24
# The same with weights of four bits.
NETWORKS_OF_FOUR_BITS = 12


def sheets() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names of all models, and what makes them; every second network is held out of the fit."""
    for family, (name, (_, count)) in enumerate(SHEETS.items()):
        for number in range(count):
            yield f"{name}-{number}", partial(sheet, name, family, number)
    for number in range(RANDOM_SHEETS):
        yield f"random-{number}", partial(random_sheet, number)
    for number in range(NETWORKS):
        kind = "held" if number % 2 else "network"
        yield f"{kind}-{number}", partial(network, number)
    for number in range(NETWORKS_OF_FOUR_BITS):
        kind = "held4" if number % 2 else "network4"
        yield f"{kind}-{number}", partial(network, number, four_bits=True)


def sheet(name: str, family: int, number: int) -> bytes:
    """A sheet of a family."""
    made = Sheet(100 + family, number)
    SHEETS[name][0](made)
    return made.build()


def random_sheet(number: int) -> bytes:
    """Operators with the fuzz's options: scales and shapes that networks hardly have."""
    maker = Maker(SeededDraw(np.random.default_rng([7, number])))
    x = maker.image("input")
    choices = [*IMAGE_OPERATORS.items(), *ANY_OPERATORS.items()]
    names = [name for name, (_, weight) in choices for _ in range(weight)]
    table = dict(choices)
    outputs: list[int] = []
    for _ in range(20):
        made = table[maker.draw.pick(names)][0](maker, x)
        outputs += made if isinstance(made, list) else [made]
    computed = [output for output in outputs if output != x]
    return maker.builder.build([x], list(dict.fromkeys(computed)))


def network(number: int, *, four_bits: bool = False) -> bytes:
    """A network of blocks as people build them, with sizes and widths of its own."""
    sheet = Sheet(98 if four_bits else 99, number)
    sheet.four_bits = four_bits
    draw = sheet.draw
    side = draw.integer(14, 48)
    sheet.input = x = sheet.tensor(
        "input", [1, side, draw.pick((side, draw.integer(12, 48))), draw.pick((1, 3))]
    )
    width = draw.integer(4, 14)
    kernel = draw.pick(((3, 3), (3, 3), (5, 5), (4, 6)))
    x = sheet.conv_2d(x, width, kernel, 2 if side > 24 else 1)
    block = draw.pick((_separable, _inverted, _inverted, _residual, _plain))
    for _ in range(draw.integer(3, 7)):
        _, height, across, depth = shape_of(sheet.builder, x)
        stride = 2 if min(height, across) > 5 and draw.pick((True, False)) else 1
        width = min(56, int(width * draw.pick((1, 1, 1.3, 1.6, 2)) + 0.5))
        x = block(sheet, x, width, stride)
    if draw.pick((True, False)):
        x = one_op.mean(sheet.builder, sheet.rng, x)
    else:
        _, height, across, depth = shape_of(sheet.builder, x)
        size = (height, across)
        options: dict[str, Any] = {"kind": "AVERAGE_POOL_2D", "kernel": size, "stride": size}
        x = one_op.pool_2d(sheet.builder, sheet.rng, x, **options)
        x = one_op.reshape(sheet.builder, sheet.rng, x, target=(1, depth))
    x = sheet.dense(x, draw.integer(2, 30))
    sheet.outputs = [one_op.softmax(sheet.builder, sheet.rng, x)]
    return sheet.build()


def _separable(sheet: Sheet, x: int, width: int, stride: int) -> int:
    kernel = sheet.draw.pick(((3, 3), (3, 3), (3, 3), (5, 5)))
    x = sheet.depthwise(x, kernel, stride, activation="RELU6")
    return sheet.conv_2d(x, width, (1, 1), 1, activation="RELU6")


def _inverted(sheet: Sheet, x: int, width: int, stride: int) -> int:
    shortcut = x
    depth = shape_of(sheet.builder, x)[3]
    x = sheet.conv_2d(x, depth * sheet.draw.integer(2, 6), (1, 1), 1, activation="RELU6")
    x = sheet.depthwise(x, (3, 3), stride, activation="RELU6")
    x = sheet.conv_2d(x, width if stride == 2 else depth, (1, 1), 1, activation="NONE")
    if stride == 1:
        output = (1.4 * quant_of(sheet.builder, x)[0], 3)
        return one_op.add(sheet.builder, sheet.rng, x, other=shortcut, output=output)
    return x


def _residual(sheet: Sheet, x: int, width: int, stride: int) -> int:
    shortcut = sheet.conv_2d(x, width, (1, 1), stride, activation="NONE")
    x = sheet.conv_2d(x, width, (3, 3), stride, activation="RELU")
    x = sheet.conv_2d(x, width, (3, 3), 1, activation="NONE")
    output = (1.4 * quant_of(sheet.builder, x)[0], -128)
    return one_op.add(sheet.builder, sheet.rng, x, other=shortcut, activation="RELU", output=output)


def _plain(sheet: Sheet, x: int, width: int, stride: int) -> int:
    x = sheet.conv_2d(x, width, (3, 3), 1, activation="RELU")
    if stride == 2:
        return one_op.pool_2d(sheet.builder, sheet.rng, x, kind="MAX_POOL_2D")
    return x
