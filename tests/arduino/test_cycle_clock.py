"""The 64-bit clock that ports on the Arduino API make of a 32-bit cycle counter."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.paths import firmware_path
from tests.arduino.simulated import run_compiler

WRAP = 1 << 32
RATE = 240


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clock") / "drive_clock"
    source = Path(__file__).parent / "programs" / "drive_clock.cc"
    include = f"-I{firmware_path() / 'lib' / 'arduino'}"
    run_compiler(["-std=gnu++14", "-Wall", "-Werror", include, str(source), "-o", str(path)])
    return path


def clock(program: Path, start: tuple[int, int], readings: list[tuple[int, int]]) -> list[int]:
    """What the clock shows for readings of (cycles, microseconds)."""
    numbers = [(RATE, start[0] % WRAP)] + [(start[1] % WRAP,)]
    numbers += [(cycles % WRAP, microseconds % WRAP) for cycles, microseconds in readings]
    text = "\n".join(" ".join(map(str, line)) for line in numbers)
    answer = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    return [int(line) for line in answer.stdout.split()]


def test_inference_longer_than_a_wrap(program: Path) -> None:
    # 60 s at 240 MHz: more than three wraps between two looks.
    assert clock(program, (7, 3), [(7 + 60_000_000 * RATE, 3 + 60_000_000)]) == [60_000_000 * RATE]


@settings(max_examples=30, deadline=None)
@given(
    start=st.tuples(st.integers(0, WRAP - 1), st.integers(0, WRAP - 1)),
    # Up to 70 minutes between two looks, and the counters not read at the same moment.
    steps=st.lists(st.tuples(st.integers(0, 4_200_000_000), st.integers(-900, 900)), max_size=20),
)
def test_no_cycle_is_lost(
    program: Path, start: tuple[int, int], steps: list[tuple[int, int]]
) -> None:
    cycles, microseconds = start
    readings, expected = [], []
    for passed_us, early in steps:
        microseconds += passed_us
        cycles = max(cycles, start[0] + (microseconds - start[1]) * RATE + early)
        readings.append((cycles, microseconds))
        expected.append(cycles - start[0])
    assert clock(program, start, readings) == expected


def test_sleeping_counter_never_runs_ahead_of_time(program: Path) -> None:
    # A second passed, the counter stood still for most of it.
    assert clock(program, (0, 0), [(1000, 1_000_000)]) == [1000]
