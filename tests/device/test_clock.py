"""The clock of every device whose time is real, against this computer's."""

from __future__ import annotations

import time

import pytest

from pipeline.device.base import Device
from pipeline.device.protocol import Client
from pipeline.measure.board import MAX_FAST_PERCENT, HostClock, look_at_clock
from pipeline.measure.statistics import compare_clocks
from tests.device.conftest import Subject
from tests.targets import FAKE

INTERVAL_S = 1.0


@pytest.fixture(autouse=True)
def real_time(closed_device: Device, kind: str) -> None:
    """Skips where time is made up: an emulator's counter counts instructions."""
    if kind == FAKE or closed_device.clock == "instructions":
        pytest.skip("its time is virtual")


def test_the_clock_agrees_with_this_computers(client: Client) -> None:
    first = look_at_clock(client, HostClock())
    time.sleep(INTERVAL_S)
    check = compare_clocks(first, look_at_clock(client, HostClock()))
    assert check.host_s >= INTERVAL_S
    assert max(check.fast_percent, check.slow_percent) <= MAX_FAST_PERCENT, check


def test_no_inference_takes_longer_than_its_answer(client: Client, subject: Subject) -> None:
    ticks_per_second = client.info().ticks_per_second
    for _ in range(5):
        begin = time.monotonic()
        reply = client.run(subject.inputs)
        seen_s = time.monotonic() - begin
        assert reply.ticks / ticks_per_second <= seen_s * (1 + MAX_FAST_PERCENT / 100)
