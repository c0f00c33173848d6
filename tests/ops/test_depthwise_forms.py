"""Requantizations of the depthwise kernels, as the kernels compute them, at every step."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.ops.checks import constant_of
from pipeline.ops.dsp.accumulators import convolution_accumulators
from pipeline.ops.dsp.depthwise_forms import fit_forms
from pipeline.plan.graph import parse_graph
from tests import one_op


@pytest.mark.parametrize("zero_point", [-128, -1, 0, 3, 127])
@pytest.mark.parametrize("filter_scale", [0.02, 0.002, 0.0005])
def test_forms_give_their_steps_also_where_sums_change_their_sign(
    filter_scale: float, zero_point: int
) -> None:
    model = one_op.single(
        one_op.depthwise_conv_2d,
        (1, 8, 8, 64),
        (0.05, 0),
        filter_scale=filter_scale,
        bias=100,
        activation="RELU" if zero_point == -128 else "NONE",
        output=(0.05, zero_point),
    )
    graph = parse_graph(model, "m", "m")
    filter_hwc = constant_of(graph, graph.ops[0].inputs[1])[0]
    by_channel = filter_hwc.reshape(-1, filter_hwc.shape[2]).T
    accumulators = convolution_accumulators(graph.ops[0], graph, by_channel)
    steps = accumulators.steps
    forms = fit_forms(accumulators, [(10, 13, 8)] * len(by_channel))
    assert forms is not None
    for channel, form in enumerate(forms):
        near = np.concatenate([steps.starts[channel], steps.starts[channel] - 1, np.arange(-9, 9)])
        sums = np.clip(near, steps.lowest[channel], steps.highest[channel])
        reached = sums[:, np.newaxis] >= steps.starts[channel]
        np.testing.assert_array_equal(form.apply(sums), steps.smallest + reached.sum(axis=1))
