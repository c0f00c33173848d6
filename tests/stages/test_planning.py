"""Models held against a board before anything is compiled."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipeline.device.board import load_board
from pipeline.errors import DoesNotFitError
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import read_graph
from pipeline.records import DeployPlan, KernelTarget
from pipeline.stages.planning import check_fits
from tests.small_models import residual_network


@pytest.fixture
def plan(tmp_path: Path) -> DeployPlan:
    path = tmp_path / "model.tflite"
    path.write_bytes(residual_network())
    return make_plan(read_graph(path), KernelTarget.PORTABLE)


def test_arena_must_fit_in_one_piece(plan: DeployPlan) -> None:
    board = dataclasses.replace(load_board("esp32"), arena_bytes=plan.arena_bytes)
    check_fits(plan, board)
    small = dataclasses.replace(board, arena_bytes=plan.arena_bytes - 1)
    with pytest.raises(DoesNotFitError, match=r"tensor arena must fit into the .* of board esp32"):
        check_fits(plan, small)


def test_board_without_a_limit_of_its_own_for_the_arena(plan: DeployPlan) -> None:
    board = dataclasses.replace(load_board("nano33"), ram_bytes=plan.arena_bytes)
    check_fits(plan, board)
    with pytest.raises(DoesNotFitError, match="of board nano33"):
        check_fits(plan, dataclasses.replace(board, ram_bytes=plan.arena_bytes - 1))
