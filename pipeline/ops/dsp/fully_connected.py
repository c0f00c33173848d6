"""FULLY_CONNECTED: four outputs at a time, weights of two of them in the room of two bytes."""

from __future__ import annotations

import numpy as np

from pipeline.ops.base import Constant, KernelCall, fields_of, label_of
from pipeline.ops.checks import activation_range, quant_of
from pipeline.ops.dsp import fully_connected_direct, fully_connected_nibbles
from pipeline.ops.dsp.accumulators import (
    Accumulators,
    forms_of_vector,
    fully_connected_accumulators,
)
from pipeline.ops.filters import real_factors
from pipeline.ops.fully_connected import FullyConnectedAttrs
from pipeline.ops.nibbles import has_int4_filter
from pipeline.records import Graph, Op, OpKind
from pipeline.steps import Forms, Int64Array

# Of the kernel: sums come out multiplied by 256.
_PRESCALE = 8

# Instructions per inference that the flash of a second kernel has to save: 16 a byte.
_WORTH_A_KERNEL = 11_000

# Outputs that are computed together.
_QUAD = 4


def call(op: Op, graph: Graph) -> KernelCall | None:
    """The kernel that takes less, where it is exact; see `DspModule.call`."""
    filter_ = graph.tensors[op.inputs[1]]
    per_channel = len(quant_of(filter_).scale) > 1
    factors = real_factors(op, graph, filter_.shape[0] if per_channel else 1)
    accumulators = fully_connected_accumulators(op, graph, factors)
    if has_int4_filter(op, graph):
        nibbles = fully_connected_nibbles.call(op, graph, accumulators)
        if nibbles is not None:
            return nibbles
    if _is_direct(op, graph):
        direct = fully_connected_direct.call(op, graph, accumulators)
        return direct or _laid_call(op, graph, accumulators)
    laid = _laid_call(op, graph, accumulators)
    return laid or fully_connected_direct.call(op, graph, accumulators)


def _laid_call(op: Op, graph: Graph, accumulators: Accumulators) -> KernelCall | None:
    """fully_connected_dsp_s8; None where it is not exact."""
    attrs = op.attrs
    assert isinstance(attrs, FullyConnectedAttrs)
    outputs, inputs = accumulators.weights.shape
    forms = forms_of_vector(accumulators, _PRESCALE)
    stream = _stream(accumulators)
    if not forms.exact.all() or stream is None:
        return None
    lowest, highest = activation_range(attrs.activation, graph.tensors[op.outputs[0]])
    return KernelCall(
        function="fully_connected_dsp_s8",
        header="dsp/fully_connected_dsp_s8.h",
        params_type="fully_connected_dsp_params",
        fields=fields_of(
            label_of(op),
            stream=("pointer", "stream"),
            scaling=("pointer", "scaling"),
            rows=("uint32_t", attrs.rows),
            inputs=("uint32_t", inputs),
            outputs=("uint32_t", outputs),
            per_channel=("uint8_t", int(len(forms.shift) > 1)),
            output_min=("int8_t", lowest),
            output_max=("int8_t", highest),
        ),
        constants=(
            Constant(
                name="stream",
                c_type="int32_t",
                values=stream.astype(np.int32),
                comment="biases and weights of four outputs after the others",
            ),
            Constant(
                name="scaling",
                c_type="int32_t",
                values=_scaling(forms).astype(np.int32),
                comment="multiplier, rounding, shift",
            ),
        ),
        tensors=(op.inputs[0], op.outputs[0]),
        scratch_bytes=8 * -(-inputs // 4),
    )


def _is_direct(op: Op, graph: Graph) -> bool:
    """Whether the kernel that lays no inputs takes less, its code included."""
    shapes = {
        other.index: graph.tensors[other.inputs[1]].shape
        for other in graph.ops
        if other.kind is OpKind.FULLY_CONNECTED
    }
    attrs = op.attrs
    assert isinstance(attrs, FullyConnectedAttrs)
    saved = attrs.rows * _saved(shapes.pop(op.index))
    second = any(_saved(shape) < 0 for shape in shapes.values())
    return saved >= (_WORTH_A_KERNEL if second else 0)


def _saved(filter_shape: tuple[int, ...]) -> float:
    """Instructions for a vector that the other kernel takes less, from measurements."""
    outputs, inputs = filter_shape
    blocks, left = divmod(inputs, 4)
    quads, others = divmod(outputs, _QUAD)
    computed = quads + (1 if others else 0)
    ends = (35 if left else 0) + (25 + 5 * others if others else 0)
    laid = 75 + 6 * blocks + ends + computed * (37 + 14.5 * blocks)
    return laid - fully_connected_direct.instructions(inputs, outputs)


def _stream(accumulators: Accumulators) -> Int64Array | None:
    """The words of fully_connected_dsp_s8.h; None where two weights do not fit 16 bits."""
    outputs, inputs = accumulators.weights.shape
    weights = np.pad(accumulators.weights, ((0, -outputs % _QUAD), (0, -inputs % 4)))
    bias = np.pad(accumulators.bias, (0, -outputs % _QUAD)).reshape(-1, 2)
    pairs = weights[0::2] + 256 * weights[1::2]
    if (np.abs(2 * pairs + 1) > 0xFFFF).any():
        return None
    # [quads, pair, block, value] to [quads, block, pair, word], the lanes {0, 2} and {1, 3}.
    lanes = pairs.reshape(-1, 2, pairs.shape[1] // 4, 4).transpose(0, 2, 1, 3)
    words = (lanes[..., 2:] << 16) | (lanes[..., :2] & 0xFFFF)
    biases = np.stack([bias[:, 0], bias[:, 0] + 256 * bias[:, 1]], axis=1).reshape(-1, 4)
    quads = np.concatenate([biases, words.reshape(len(words), -1)], axis=1)
    return quads.reshape(-1).astype(np.uint32).astype(np.int32).astype(np.int64)


def _scaling(forms: Forms) -> Int64Array:
    """The constants of each output, filled up to quads with the last one's."""
    rows = np.stack([forms.multiplier, forms.rounding, forms.shift], axis=1)
    return np.pad(rows, ((0, -len(rows) % _QUAD), (0, 0)), mode="edge").reshape(-1)
