"""FULLY_CONNECTED: four outputs at a time, weights of two of them in the room of two bytes."""

from __future__ import annotations

import numpy as np

from pipeline.ops.base import Constant, KernelCall, fields_of, label_of
from pipeline.ops.checks import activation_range, constant_of, quant_of
from pipeline.ops.dsp.accumulators import Accumulators, fully_connected_accumulators
from pipeline.ops.filters import real_factors
from pipeline.ops.fully_connected import FullyConnectedAttrs
from pipeline.records import Graph, Op
from pipeline.steps import Forms, Int64Array, fit_floor

# Of the kernel: sums come out multiplied by 256.
_PRESCALE = 8

# Room for the rounding constant -128 << shift.
_LARGEST_SHIFT = 24

# Outputs that are computed together.
_QUAD = 4


def call(op: Op, graph: Graph) -> KernelCall | None:
    """fully_connected_dsp_s8 where it is exact; see `DspModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, FullyConnectedAttrs)
    output = graph.tensors[op.outputs[0]]
    filter_ = constant_of(graph, op.inputs[1])
    outputs, inputs = filter_.shape
    per_channel = len(quant_of(graph.tensors[op.inputs[1]]).scale) > 1
    factors = real_factors(op, graph, outputs if per_channel else 1)
    accumulators = fully_connected_accumulators(op, graph, factors)
    forms = _forms(accumulators)
    stream = _stream(accumulators)
    if not forms.exact.all() or stream is None:
        return None
    lowest, highest = activation_range(attrs.activation, output)
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
            per_channel=("uint8_t", int(per_channel)),
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


def _forms(accumulators: Accumulators) -> Forms:
    """The requantization of each output, or of all."""
    exponent = accumulators.exponent
    shift = np.clip(exponent + _PRESCALE - 1, 0, _LARGEST_SHIFT)
    # sum * 2**prescale * m / 2**(32 + shift) = sum * multiplier / 2**(31 + exponent)
    right = exponent + _PRESCALE - 1 - shift
    multiplier = np.where(right < 0, -1, accumulators.multiplier >> np.maximum(right, 0))
    return fit_floor(accumulators.steps, np.full_like(shift, _PRESCALE), multiplier, shift)


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
