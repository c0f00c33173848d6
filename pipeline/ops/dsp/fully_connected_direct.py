"""FULLY_CONNECTED of few outputs, or of so many inputs that sums outgrow the other kernel."""

from __future__ import annotations

import numpy as np

from pipeline.ops.base import Constant, KernelCall, fields_of, label_of
from pipeline.ops.checks import activation_range
from pipeline.ops.dsp.accumulators import Accumulators, fit_vector
from pipeline.ops.fully_connected import FullyConnectedAttrs
from pipeline.records import Graph, Op
from pipeline.steps import Forms, Int64Array

# What sums of an output that shares its words with another are kept in.
_SUM_END = 1 << 23


def instructions(inputs: int, outputs: int) -> float:
    """What the kernel takes for a vector, from measurements of 4 to 4,096 inputs."""
    blocks, left = divmod(inputs, 4)
    costs = {4: 127 + 17 * blocks, 2: 98 + 10.5 * blocks}
    return 30 + sum(costs[size] + (37 if left else 0) for size in group_sizes(outputs))


def call(op: Op, graph: Graph, accumulators: Accumulators) -> KernelCall | None:
    """fully_connected_direct_dsp_s8; None where it is not exact or does not fit the shape."""
    attrs = op.attrs
    assert isinstance(attrs, FullyConnectedAttrs)
    outputs, inputs = accumulators.weights.shape
    fitted = fit_vector(accumulators)
    if inputs < 4 or fitted is None or not _sums_fit(accumulators):
        return None
    weights = _blocks(accumulators.weights)
    pairs = weights[:, 0::2] + 256 * weights[:, 1::2]
    if (np.abs(2 * pairs + 1) > 0xFFFF).any():
        return None
    prescale, forms = fitted
    lowest, highest = activation_range(attrs.activation, graph.tensors[op.outputs[0]])
    return KernelCall(
        function="fully_connected_direct_dsp_s8",
        header="dsp/fully_connected_direct_dsp_s8.h",
        params_type="fully_connected_direct_dsp_params",
        fields=fields_of(
            label_of(op),
            stream=("pointer", "stream"),
            rows=("uint32_t", attrs.rows),
            inputs=("uint32_t", inputs),
            outputs=("uint32_t", outputs),
            chunk=("uint32_t", _chunk(weights)),
            prescale=("uint8_t", prescale),
            output_min=("int8_t", lowest),
            output_max=("int8_t", highest),
        ),
        constants=(
            Constant(
                name="stream",
                c_type="int32_t",
                values=_stream(accumulators.bias, pairs, forms).astype(np.int32),
                comment="biases, weights and factors of four outputs after the others",
            ),
        ),
        tensors=(op.inputs[0], op.outputs[0]),
    )


def group_sizes(outputs: int) -> tuple[int, ...]:
    """Outputs that are computed together: fours, and two where not more are left."""
    whole, left = divmod(outputs, 4)
    return (4,) * whole + ((4 if left > 2 else 2,) if left else ())


def _sums_fit(accumulators: Accumulators) -> bool:
    """Whether no sum leaves 32 bits on its way, whatever the inputs."""
    reach = 128 * np.abs(accumulators.weights).sum(axis=1) + np.abs(accumulators.bias)
    return bool((reach < 1 << 31).all())


def _blocks(weights: Int64Array) -> Int64Array:
    """[blocks, outputs, 4]: four inputs each, the last four once more, outputs filled up."""
    outputs, inputs = weights.shape
    left = inputs % 4
    last = weights[:, inputs - 4 :].copy()
    last[:, : 4 - left] = 0
    filled = np.concatenate([weights[:, : inputs - left], last if left else last[:, :0]], axis=1)
    filled = np.pad(filled, ((0, sum(group_sizes(outputs)) - outputs), (0, 0)))
    return filled.reshape(len(filled), -1, 4).transpose(1, 0, 2)


def _chunk(weights: Int64Array) -> int:
    """Blocks after which the sum of an output that shares its words has to be taken out.

    Args:
        weights: from `_blocks`.
    """
    shared = weights[:, 1::2]
    # Of each block and output.
    most = np.maximum(-128 * shared, 127 * shared).sum(axis=2)
    least = np.minimum(-128 * shared, 127 * shared).sum(axis=2)
    for chunks in range(1, len(shared)):
        size = -(-len(shared) // chunks)
        starts = np.arange(0, len(shared), size)
        highest, lowest = (np.add.reduceat(ends, starts, axis=0) for ends in (most, least))
        if highest.max(initial=0) < _SUM_END and lowest.min(initial=0) >= -_SUM_END:
            return size
    return 1


def _stream(bias: Int64Array, pairs: Int64Array, forms: Forms) -> Int64Array:
    """The words of fully_connected_direct_dsp_s8.h.

    Args:
        bias: [outputs].
        pairs: weights [blocks, pairs of outputs, 4].
        forms: of each output, or of all.
    """
    # The lanes {0, 2} and {1, 3} of each block as words: [pairs, blocks, 2].
    words = (pairs[..., 2:] << 16) | (pairs[..., :2] & 0xFFFF)
    factors = np.stack([forms.multiplier, forms.rounding, forms.shift], axis=1)
    factors = np.broadcast_to(factors, (len(bias), 3))
    parts = []
    first = 0
    for size in group_sizes(len(bias)):
        end = first + size
        missing = max(0, end - len(bias))
        parts += [
            np.pad(bias[first:end], (0, missing)),
            words[:, first // 2 : end // 2].reshape(-1),
            np.pad(factors[first:end], ((0, missing), (0, 0))).reshape(-1),
        ]
        first = end
    return np.concatenate(parts).astype(np.uint32).astype(np.int32).astype(np.int64)
