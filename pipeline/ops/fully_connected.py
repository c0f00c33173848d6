"""FULLY_CONNECTED: int8, per-tensor or per-channel scales."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.fixed_point import exact_multiplier
from pipeline.ops.base import Constant, FieldValue, KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import (
    activation_range,
    check_scaled_range,
    constant_of,
    input_of,
    quant_of,
    require,
    require_activation,
    require_counts,
    require_int8,
    require_rank,
    zero_point_of,
)
from pipeline.ops.filters import (
    accumulator_limits,
    bias_values,
    real_factors,
    requant_constants,
    require_filter,
)
from pipeline.ops.nibbles import has_int4_filter, pair_channels
from pipeline.records import Graph, Op, Requant


@dataclass(frozen=True, slots=True, kw_only=True)
class FullyConnectedAttrs:
    """Attributes of FULLY_CONNECTED: `rows` vectors pass through the same weights."""

    rows: int
    activation: int


def parse(raw: RawOp) -> FullyConnectedAttrs:
    """Check shapes, types and options; see `OpModule.parse`."""
    import tflite

    require_counts(raw, (2, 3))
    x, filter_, output = input_of(raw, 0), input_of(raw, 1), raw.outputs[0]
    require_rank(raw, filter_, 2)
    require_int8(raw, x, output)
    options = raw.options_as(tflite.FullyConnectedOptions)
    require(
        options.WeightsFormat() == 0,
        raw,
        "weights format must be DEFAULT",
        options.WeightsFormat(),
        "Convert the model without shuffled weights.",
    )
    outputs, inputs = filter_.shape
    require(
        inputs > 0
        and x.num_elements % inputs == 0
        and output.num_elements == x.num_elements // inputs * outputs,
        raw,
        "the filter must be [output length, input length]",
        f"input {x.shape}, filter {filter_.shape}, output {output.shape}",
        "The file is damaged; convert the model again.",
    )
    require_filter(raw, axis=0, channels=outputs)
    return FullyConnectedAttrs(
        rows=x.num_elements // inputs,
        activation=require_activation(raw, options.FusedActivationFunction()),
    )


def macs(op: Op, graph: Graph) -> int:
    """Rows times weights."""
    attrs = op.attrs
    assert isinstance(attrs, FullyConnectedAttrs)
    return attrs.rows * graph.tensors[op.inputs[1]].num_elements


def row_windows(op: Op, graph: Graph) -> None:
    """The kernel takes whole tensors; see `OpModule.row_windows`."""


def call(op: Op, graph: Graph) -> KernelCall:
    """fully_connected_s8, _s4 or _double_s8; see `OpModule.call`.

    The pinned reference scales in double and rounds once, unlike convolutions and unlike older
    TFLite and TFLM releases, which use MultiplyByQuantizedMultiplier here, too: results differ
    by one in about one output of a hundred. Where an integer form gives exactly the same, it is
    taken; else the kernel computes in double as well, from weights of a byte each.
    """
    attrs = op.attrs
    assert isinstance(attrs, FullyConnectedAttrs)
    x, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    filter_ = constant_of(graph, op.inputs[1])
    lowest, highest = activation_range(attrs.activation, output)
    per_channel = len(quant_of(graph.tensors[op.inputs[1]]).scale) > 1
    factors = real_factors(op, graph, len(filter_) if per_channel else 1)
    requants = _integer_forms(op, graph, factors, lowest, highest)
    weights = Constant(name="filter", c_type="int8_t", values=filter_, comment="[out, in]")
    if requants is None:
        function, params_type = "fully_connected_double_s8", "fully_connected_double_params"
        scaling: tuple[Constant, ...] = (
            Constant(name="factor", c_type="double", values=np.array(factors)),
        )
    else:
        function, params_type = "fully_connected_s8", "fully_connected_params"
        if has_int4_filter(op, graph):
            function, layout = "fully_connected_s4", "[pairs of out, in]"
            weights = replace(weights, values=pair_channels(filter_), comment=layout)
        scaling = requant_constants(requants)
    pointers: dict[str, tuple[str, FieldValue]] = {
        constant.name: ("pointer", constant.name) for constant in scaling
    }
    return KernelCall(
        function=function,
        header=f"{function}.h",
        params_type=params_type,
        fields=fields_of(
            label_of(op),
            filter=("pointer", "filter"),
            bias=("pointer", "bias"),
            **pointers,
            rows=("uint32_t", attrs.rows),
            inputs=("uint32_t", filter_.shape[1]),
            outputs=("uint32_t", filter_.shape[0]),
            per_channel=("uint8_t", int(per_channel)),
            input_offset=("int16_t", -zero_point_of(x)),
            output_offset=("int16_t", zero_point_of(output)),
            output_min=("int8_t", lowest),
            output_max=("int8_t", highest),
        ),
        constants=(
            weights,
            Constant(
                name="bias", c_type="int32_t", values=bias_values(op, graph, filter_.shape[0])
            ),
            *scaling,
        ),
        tensors=(op.inputs[0], op.outputs[0]),
    )


def _integer_forms(
    op: Op, graph: Graph, factors: tuple[float, ...], lowest: int, highest: int
) -> tuple[Requant, ...] | None:
    """An exact integer form of each factor, or None where one of them has none."""
    zero_point = zero_point_of(graph.tensors[op.outputs[0]])
    limits = accumulator_limits(op, graph, constant_of(graph, op.inputs[1]))
    if len(factors) == 1:
        limits = (max(limits),)
    forms = []
    for factor, limit in zip(factors, limits, strict=True):
        check_scaled_range(label_of(op), limit, factor)
        form = exact_multiplier(factor, lowest - zero_point, highest - zero_point, limit)
        if form is None:
            return None
        forms.append(form)
    return tuple(forms)
