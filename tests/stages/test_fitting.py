"""Models that cannot fit say so before they are built: by how much, and what would help."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipeline.build.size import stack_reserve_bytes
from pipeline.device.board import load_board
from pipeline.errors import DoesNotFitError
from pipeline.records import DeployPlan
from pipeline.report.progress import Reporter
from pipeline.stages import Request, Target, check_fits, deploy, plan_model
from tests.small_models import SMALL_MODELS

NRF52840 = load_board("nrf52840")
RAM = 262_144 - 8_192 - 256
FLASH = 1_048_576 - 7_000


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> DeployPlan:
    path = tmp_path_factory.mktemp("model") / "residual.tflite"
    path.write_bytes(SMALL_MODELS["residual"]())
    return plan_model(path, NRF52840)


def test_the_stack_is_what_the_linker_script_keeps() -> None:
    assert stack_reserve_bytes(NRF52840) == 8_192
    assert stack_reserve_bytes(load_board("host")) == 0


def test_what_just_fits_passes(plan: DeployPlan) -> None:
    check_fits(plan, NRF52840)
    check_fits(dataclasses.replace(plan, arena_bytes=RAM, weights_bytes=FLASH), NRF52840)


def test_an_arena_that_is_too_large(plan: DeployPlan) -> None:
    large = dataclasses.replace(plan, arena_bytes=RAM + 1)
    with pytest.raises(DoesNotFitError) as caught:
        check_fits(large, NRF52840)
    text = str(caught.value)
    assert text.startswith("residual: expected a tensor arena of at most 253,696 B: board")
    assert "has 262,144 B of RAM, of which the firmware takes at least 8,448 (stack 8,192" in text
    assert "Received: 253,697 B, 1 too many, 1 % of it. It is fullest at" in text
    assert any(f"'{op.name}': use a smaller input" in text for op in plan.graph.ops)
    assert "--board nrf52840 --budget ram=256KiB" in text


def test_weights_that_are_too_many(plan: DeployPlan) -> None:
    large = dataclasses.replace(plan, weights_bytes=2 * FLASH)
    with pytest.raises(
        DoesNotFitError,
        match=r"weights of at most 1,041,576 B.*without kernels.*1,041,576 too many, 50 % of it. "
        r"Use a smaller width, .*--budget flash=1024KiB",
    ):
        check_fits(large, NRF52840)


def test_both_at_once(plan: DeployPlan) -> None:
    large = dataclasses.replace(plan, arena_bytes=2 * RAM, weights_bytes=2 * FLASH)
    with pytest.raises(DoesNotFitError, match=r"(?s)of at most 253,696.*of at most 1,041,576"):
        check_fits(large, NRF52840)


def test_an_arena_must_fit_in_one_piece(plan: DeployPlan) -> None:
    board = dataclasses.replace(load_board("esp32"), arena_bytes=plan.arena_bytes)
    check_fits(plan, board)
    small = dataclasses.replace(board, arena_bytes=plan.arena_bytes - 1)
    with pytest.raises(
        DoesNotFitError,
        match=rf"at most {small.arena_bytes:,} B: board 'esp32' has no larger piece of RAM. "
        rf"Received: {plan.arena_bytes:,} B, 1 too many",
    ):
        check_fits(plan, small)


def test_boards_with_enough_are_named(plan: DeployPlan) -> None:
    small = dataclasses.replace(NRF52840, ram_bytes=16_384)
    with pytest.raises(DoesNotFitError, match="a board with more RAM: .*mps2_an386.*nrf52840"):
        check_fits(dataclasses.replace(plan, arena_bytes=10_000), small)


def test_no_board_has_enough_of_everything(plan: DeployPlan) -> None:
    huge = dataclasses.replace(plan, arena_bytes=1 << 30)
    with pytest.raises(DoesNotFitError, match="with more RAM; of those here none has enough"):
        check_fits(huge, NRF52840)


def test_nothing_is_generated_or_built_of_what_cannot_fit(tmp_path: Path) -> None:
    model = tmp_path / "residual.tflite"
    model.write_bytes(SMALL_MODELS["residual"]())
    target = Target(board=dataclasses.replace(NRF52840, ram_bytes=8_500), emulator="unicorn")
    work = tmp_path / "work"
    request = Request(model=model, inputs="random:1:1", work=work, command="espalier deploy")
    with pytest.raises(DoesNotFitError, match="residual: expected a tensor arena of at most 52 B"):
        deploy(request, target, Reporter(quiet=True))
    assert not {"generate", "build", "measure"} & {path.name for path in work.iterdir()}


def test_this_computer_takes_everything(plan: DeployPlan) -> None:
    check_fits(dataclasses.replace(plan, arena_bytes=1 << 30), load_board("host"))
