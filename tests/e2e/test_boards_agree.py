"""The same model takes the same instructions on every Cortex-M4F board, up to a tick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.device.board import load_board
from pipeline.report.memory import steps_of
from pipeline.report.progress import Reporter
from pipeline.stages import Request, Target, deploy, plan_model
from tests.pins import TICK, model_path
from tests.shared import shared_path
from tests.small_models import SMALL_MODELS

MODELS = [
    *(pytest.param(name, id=name) for name in SMALL_MODELS),
    *(
        pytest.param(name, id=name, marks=pytest.mark.slow)
        for name in ("hello_world_int8", "kws_ref_model", "wv_quality_k_8_c_5")
    ),
]
TOOLCHAINS = [
    pytest.param("gcc", marks=pytest.mark.needs("arm-none-eabi-gcc")),
    pytest.param("zig", marks=pytest.mark.needs("ziglang")),
]

pytestmark = [pytest.mark.emulator, pytest.mark.needs("unicorn")]


def measure(board: str, path: Path, toolchain: str) -> dict[str, Any]:
    target = Target(board=load_board(board), toolchain=toolchain, emulator="unicorn")
    request = Request(model=path, inputs="random:1:3", command=f"espalier deploy {path.name}")
    return dict(deploy(request, target, Reporter(quiet=True)).report)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_counts_agree(name: str, toolchain: str, tmp_path: Path) -> None:
    path = model_path(name, tmp_path)
    if not path.exists():
        shared_path(f"models/{path.name}")
    coarse, fine = (measure(board, path, toolchain) for board in ("mps2_an386", "nrf52840"))
    assert coarse["mismatches"] == fine["mismatches"] == 0
    assert coarse["clock"] == fine["clock"] == "instructions"
    for which in ("median", "min", "max"):
        a, b = (report["instructions_per_inference"][which] for report in (coarse, fine))
        assert abs(a - b) <= TICK
        # The emulator cuts blocks where a page ends, and code lies elsewhere: there the estimate
        # may take a load for one without another before it.
        a, b = (report["estimated_cycles"][which] for report in (coarse, fine))
        assert abs(a - b) <= TICK + b // 100
    plan = plan_model(path, load_board("nrf52840"))
    for op, a, b in zip(plan.graph.ops, coarse["layers"], fine["layers"], strict=True):
        assert op.name == a["name"] == b["name"]
        # Each step of a layer is timed on its own.
        steps = len(steps_of(plan, op.index))
        assert abs(a["instructions"] - b["instructions"]) <= TICK * steps, op.name
    for key in ("arena_bytes", "stack_peak_bytes"):
        assert coarse["ram"][key] == fine["ram"][key]
    assert coarse["flash"]["weights_bytes"] == fine["flash"]["weights_bytes"]
    assert coarse["flash"]["runtime_bytes"] == fine["flash"]["runtime_bytes"]
