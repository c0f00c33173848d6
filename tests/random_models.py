"""Random int8 models: one operator, or a graph of several, with whatever TFLite allows.

Everything that decides a model is drawn one value at a time, so that a seeded generator can make
thousands of them and hypothesis can shrink one. Only the values of weights come from a NumPy
generator, whose seed is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from pipeline.plan.graph import parse_graph
from pipeline.records import INT4
from tests.one_op import shape_of
from tests.random_draw import MAX_VALUES, Draw, Maker
from tests.random_operators import ANY_OPERATORS, OPERATORS, Operator


def has_int4(tflite: bytes) -> bool:
    """Whether weights of a model have four bits, which engine tflm refuses."""
    return any(t.dtype == INT4 for t in parse_graph(tflite, "model", "model").tensors)


def random_operator(draw: Draw, name: str | None = None) -> bytes:
    """A model of one operator on one image.

    Args:
        draw: makes the decisions.
        name: of OPERATORS; None draws it.
    """
    maker = Maker(draw)
    x = maker.image("input")
    add = OPERATORS[name][0] if name is not None else _weighted(draw, OPERATORS)
    return maker.builder.build([x], _as_list(add(maker, x)))


def random_graph(draw: Draw, operators: int = 8) -> bytes:
    """A model of up to so many operators: chains and branches, one to three inputs.

    Every tensor that nobody reads is an output, and now and then one that is read.
    """
    maker = Maker(draw)
    builder = maker.builder
    inputs = [maker.image("input_0")]
    while maker.once_in(4) and len(inputs) < 3:
        shape = shape_of(builder, inputs[0])
        inputs.append(maker.input(f"input_{len(inputs)}", shape))
    computed: list[int] = []
    if maker.once_in(6):
        foreign, x = maker.foreign_input("foreign", shape_of(builder, inputs[0]))
        inputs.append(foreign)
        computed.append(x)
    for _ in range(draw.integer(1, operators)):
        tensors = [index for index in inputs + computed if builder.is_int8(index)]
        # Mostly the newest, so that chains grow long.
        x = tensors[-1] if not maker.once_in(4) else draw.pick(tensors)
        is_image = len(shape_of(builder, x)) == 4
        made = _as_list(_weighted(draw, OPERATORS if is_image else ANY_OPERATORS)(maker, x))
        computed += made
        shapes = [shape_of(builder, y) for y in made]
        if any(not shape or math.prod(shape) > 4 * MAX_VALUES for shape in shapes):
            break
    if maker.once_in(6):
        computed.append(maker.foreign_output(computed[-1]))
    read = {index for op in builder.subgraph.operators for index in op.inputs}
    outputs = [tensor for tensor in computed if tensor not in read]
    if draw.pick((False, True)):
        outputs.append(draw.pick(computed))
    return builder.build(inputs, list(dict.fromkeys(outputs)))


def _as_list(made: int | list[int]) -> list[int]:
    return made if isinstance(made, list) else [made]


def _weighted(draw: Draw, operators: Mapping[str, tuple[Operator, int]]) -> Operator:
    return draw.pick([add for add, weight in operators.values() for _ in range(weight)])
