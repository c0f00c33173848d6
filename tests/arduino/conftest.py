"""Simulated Arduino boards with the echo engine, built once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.device.host import HostDevice
from pipeline.device.protocol import Client
from tests.arduino.simulated import build_simulated

Program = Callable[[str], Path]


@pytest.fixture(scope="session")
def echo_program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The echo firmware of a board."""
    made: dict[str, Path] = {}

    def program(board: str) -> Path:
        if board not in made:
            made[board] = build_simulated(board, tmp_path_factory.mktemp(board))
        return made[board]

    return program


@pytest.fixture(params=["nano33", "esp32"])
def board(request: pytest.FixtureRequest) -> str:
    """Each board whose port differs from the others'."""
    return str(request.param)


@pytest.fixture
def client(board: str, echo_program: Program) -> Iterator[Client]:
    """A connection to a simulated board."""
    with HostDevice(echo_program(board)) as device:
        connected = Client(device)
        connected.connect()
        yield connected
