"""What TFLM is asked to run: operators, refusals, kernels to look for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.plan.tflm.operators import KERNEL_PREFIXES, OPERATORS
from pipeline.plan.tflm.plan import make_tflm_plan
from pipeline.plan.tflm.runtimes import RUNTIMES, find_runtime
from pipeline.records import INT4, OpKind, TflmPlan
from tests import one_op
from tests.small_models import residual_network
from tests.tflite_models import ModelBuilder

NEWEST = "tflite-micro-2026"


def plan(folder: Path, data: bytes, runtime: str = NEWEST) -> TflmPlan:
    path = folder / "model.tflite"
    path.write_bytes(data)
    return make_tflm_plan(path, find_runtime(runtime))


def test_exactly_the_operators_of_the_model(tmp_path: Path) -> None:
    made = plan(tmp_path, residual_network())
    kinds = list(dict.fromkeys(op.kind for op in made.graph.ops))
    assert [call.split("(")[0] for call in made.registrations] == [
        OPERATORS[kind].method for kind in kinds
    ]
    assert "AddConv2D(tflite::Register_CONV_2D_INT8())" in made.registrations
    assert made.tflite == residual_network()
    assert made.macs == sum(made.layer_macs) > 0


def test_other_types_take_the_registration_for_all(tmp_path: Path) -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 8), scale=0.1)
    wide = builder.tensor("wide", (1, 8), dtype="int16", scale=0.1)
    builder.operator("QUANTIZE", [x], [wide], "QuantizeOptions")
    total = builder.tensor("total", (1, 8), dtype="int16", scale=0.1)
    builder.operator("ADD", [wide, wide], [total], "AddOptions")
    y = builder.tensor("y", (1, 8), scale=0.1)
    builder.operator("QUANTIZE", [total], [y], "QuantizeOptions")
    data = builder.build([x], [one_op.add(builder, np.random.default_rng(0), y)])
    assert "AddAdd()" in plan(tmp_path, data).registrations


def test_every_operator_is_registered_or_missing() -> None:
    for runtime in RUNTIMES.values():
        assert set(OPERATORS) | runtime.missing == set(OpKind)
        assert set(KERNEL_PREFIXES[runtime.kernels]) <= set(OPERATORS)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_missing_operators_are_refused_by_name(runtime: str, tmp_path: Path) -> None:
    data = one_op.single(one_op.tile, (1, 4, 4, 2), (0.1, 0), multiples=(1, 2, 1, 1))
    with pytest.raises(UnsupportedModelError, match=r"Received: TILE\. Use --engine aot"):
        plan(tmp_path, data, runtime)


@pytest.mark.parametrize("runtime", ["chirale-2.0.0", "esp-tflite-micro-1.2.0"])
def test_scales_that_older_snapshots_would_ignore_are_refused(runtime: str, tmp_path: Path) -> None:
    data = one_op.single(one_op.fully_connected, (1, 8), (0.1, 0), outputs=4, per_channel=True)
    with pytest.raises(UnsupportedModelError, match=r"FULLY_CONNECTED .*Received: 4 scales"):
        plan(tmp_path, data, runtime)
    assert plan(tmp_path, data).registrations


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_weights_of_four_bits_are_refused(runtime: str, tmp_path: Path) -> None:
    data = one_op.single(
        one_op.conv_2d, (1, 4, 4, 2), (0.1, 0), channels=4, filter_limits=(-7, 7), filter_dtype=INT4
    )
    with pytest.raises(UnsupportedModelError, match=r"CONV_2D .*int4\. Use --engine aot"):
        plan(tmp_path, data, runtime)


def test_unknown_operator_speaks_of_this_engine(tmp_path: Path) -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 8), scale=0.1)
    y = builder.tensor("y", (1, 8), scale=0.1)
    builder.operator("CUMSUM", [x], [y], "CumsumOptions")
    with pytest.raises(UnsupportedModelError, match="engine tflm cannot run. Received: CUMSUM"):
        plan(tmp_path, builder.build([x], [y]))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the model"):
        make_tflm_plan(tmp_path / "none.tflite", find_runtime(NEWEST))


def test_unknown_runtime() -> None:
    with pytest.raises(ConfigError, match="custom_tflm: expected one of tflite-micro-2026"):
        find_runtime("tflite-micro-1999")


def test_kernels_to_look_for(tmp_path: Path) -> None:
    guards = plan(tmp_path, residual_network()).guards
    prefixes = {guard.kind: guard.symbol_prefix for guard in guards}
    assert prefixes[OpKind.CONV_2D] == "arm_convolve"
    assert {guard.library for guard in guards} == {"CMSIS-NN"}
    esp = plan(tmp_path, residual_network(), "esp-tflite-micro-1.2.0").guards
    assert {g.kind: g.symbol_prefix for g in esp}[OpKind.CONV_2D] == "esp_nn_conv_s8"
    assert plan(tmp_path, residual_network(), "tflite-micro-2026-host").guards == ()
