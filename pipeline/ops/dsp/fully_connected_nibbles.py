"""FULLY_CONNECTED with weights of four bits: those of four outputs in the room of two bytes."""

from __future__ import annotations

import numpy as np

from pipeline.ops.base import Constant, KernelCall, fields_of, label_of
from pipeline.ops.checks import activation_range
from pipeline.ops.dsp.accumulators import Accumulators, fit_vector
from pipeline.ops.fully_connected import FullyConnectedAttrs
from pipeline.records import Graph, Op
from pipeline.steps import Forms, Int64Array

# Outputs that are computed together.
_QUAD = 4

# Of weights a, b, c, d of a lane, and the limits of what the kernel takes apart: a, a + 16 b and
# so on are numbers of 4, 8, 12 and 16 bits.
_FACTORS = np.array([1, 16, 256, 4096])
_BITS = np.array([4, 8, 12, 16])

# Sums of a chunk: all four in one word.
_SUM_END = 15 << 15

# From how many outputs on it pays to lay the inputs: 6 instructions a block, and 2 for a quad's
# if they are not.
_MANY_OUTPUTS = 17


def call(op: Op, graph: Graph, accumulators: Accumulators) -> KernelCall | None:
    """A kernel of fully_connected_nibbles_dsp_s8.h; None where none is exact."""
    attrs = op.attrs
    assert isinstance(attrs, FullyConnectedAttrs)
    outputs, inputs = accumulators.weights.shape
    laid = outputs >= _MANY_OUTPUTS or inputs < _QUAD
    weights = _blocks(accumulators.weights, laid=laid)
    lanes = weights * _FACTORS
    ends = 1 << (_BITS - 1)
    parts = lanes.cumsum(axis=-1)
    fitted = fit_vector(accumulators)
    if fitted is None or (parts < -ends).any() or (parts >= ends).any():
        return None
    prescale, forms = fitted
    lowest, highest = activation_range(attrs.activation, graph.tensors[op.outputs[0]])
    variant = "nibbles" if laid else "nibbles_direct"
    return KernelCall(
        function=f"fully_connected_{variant}_dsp_s8",
        header="dsp/fully_connected_nibbles_dsp_s8.h",
        params_type="fully_connected_nibbles_dsp_params",
        fields=fields_of(
            label_of(op),
            stream=("pointer", "stream"),
            scaling=("pointer", "scaling"),
            rows=("uint32_t", attrs.rows),
            inputs=("uint32_t", inputs),
            outputs=("uint32_t", outputs),
            chunk=("uint32_t", _chunk(weights)),
            per_channel=("uint8_t", int(len(forms.shift) > 1)),
            prescale=("uint8_t", prescale),
            output_min=("int8_t", lowest),
            output_max=("int8_t", highest),
        ),
        constants=(
            Constant(
                name="stream",
                c_type="int32_t",
                values=_stream(accumulators.bias, parts[..., -1]).astype(np.int32),
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
        scratch_bytes=8 * -(-inputs // 4) if laid else 0,
    )


def _blocks(weights: Int64Array, *, laid: bool) -> Int64Array:
    """[quads, blocks, 4 inputs, 4 outputs], outputs filled up with zeros.

    The last block is filled up with zeros where inputs are laid; else it is the last four inputs,
    with zeros for those of the block before it.
    """
    outputs, inputs = weights.shape
    left = inputs % 4
    filled = np.pad(weights, ((0, -outputs % _QUAD), (0, -inputs % 4)))
    if left and not laid:
        filled[:, -4:] = np.roll(filled[:, -4:], -left, axis=1)
    quads = filled.reshape(-1, _QUAD, filled.shape[1] // 4, 4)
    return quads.transpose(0, 2, 3, 1)


def _chunk(weights: Int64Array) -> int:
    """Blocks whose sums a word can hold, whatever the inputs.

    Args:
        weights: from `_blocks`.
    """
    # Of each block and output.
    reach = 128 * np.abs(weights).sum(axis=2).transpose(1, 0, 2).reshape(weights.shape[1], -1)
    for chunks in range(1, len(reach)):
        size = -(-len(reach) // chunks)
        sums = np.add.reduceat(reach, np.arange(0, len(reach), size), axis=0)
        if sums.max() < _SUM_END:
            return size
    return 1


def _stream(bias: Int64Array, lanes: Int64Array) -> Int64Array:
    """The words of the stream.

    Args:
        bias: [outputs].
        lanes: of four outputs together, [quads, blocks, 4 inputs].
    """
    biases = np.pad(bias, (0, -len(bias) % _QUAD)).reshape(-1, _QUAD)
    words = (lanes[..., 2:] << 16) | (lanes[..., :2] & 0xFFFF)
    quads = np.concatenate([biases, words.reshape(len(words), -1)], axis=1)
    return quads.reshape(-1).astype(np.uint32).astype(np.int32).astype(np.int64)


def _scaling(forms: Forms) -> Int64Array:
    """The constants of each output, or of all."""
    return np.stack([forms.multiplier, forms.rounding, forms.shift], axis=1).reshape(-1)
