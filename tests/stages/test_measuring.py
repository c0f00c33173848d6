"""`espalier measure --board` on simulated boards: every figure of the JSON is known."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import statistics
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli, stages
from pipeline.device.board import load_board
from pipeline.device.fake_firmware import Crash
from pipeline.device.protocol import Client, Timeouts
from pipeline.records import Firmware
from pipeline.stages.flashed import Flashed, remember
from tests.e2e.models import good
from tests.report.fakes import SIZE
from tests.stages.measured_board import BUILD_ID, TICKS, board_with, reference

pytest.importorskip("pty", reason="pseudo-terminals are a feature of POSIX")


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    path = tmp_path / "good.tflite"
    path.write_bytes(good())
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of flashed firmwares of its own."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr("pipeline.stages.flashed.cache_path", lambda: folder)
    return folder


@pytest.fixture(autouse=True)
def cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board of these tests is an emulated one by its facts; here it is real."""
    board = dataclasses.replace(load_board("mps2_an386"), clock="cycles", emulators=())
    monkeypatch.setattr("pipeline.device.board.load_board", lambda name: board)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second long look at the clock, no waiting for a boot message that has passed."""
    monkeypatch.setattr("pipeline.measure.board.CLOCK_CHECK_S", 0.3)
    quick = functools.partial(Client, timeouts=Timeouts(banner_s=0.05))
    monkeypatch.setattr("pipeline.stages.measuring.Client", quick)


def measure(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    """Exit status, JSON and what was said of `espalier measure --board`."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["measure", "--board", "mps2_an386", "--json", "-", *arguments])
    captured = capsys.readouterr()
    status = caught.value.code
    assert isinstance(status, int)
    return status, json.loads(captured.out) if captured.out else None, captured.err


def test_every_figure(tflite: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with board_with(tflite) as board:
        options = ("--port", board.port, "--timed", "20", "--warmup", "2", "--inputs", "random:1:3")
        status, report, _ = measure(capsys, *options, str(tflite))
    assert status == 0
    timed = sorted((TICKS * 4)[2:22])
    cycles = report.pop("cycles_per_inference")
    assert cycles.pop("mean") == pytest.approx(statistics.mean(timed))
    assert cycles.pop("stdev") == pytest.approx(statistics.stdev(timed))
    assert cycles == {
        "count": 20,
        "median": timed[9],
        "p95": timed[18],
        "min": timed[0],
        "max": timed[19],
    }
    latency = report.pop("latency_us")
    assert latency["median"] == timed[9] / 64
    assert latency["p95"] == timed[18] / 64
    assert (latency["min"], latency["max"]) == (timed[0] / 64, timed[19] / 64)
    assert latency["stdev"] == pytest.approx(statistics.stdev(timed) / 64)
    round_trip = report.pop("round_trip_us")
    assert all(round_trip[name] >= latency[name] for name in ("median", "p95", "min", "max"))
    check = report.pop("clock_check")
    assert abs(check["drift_percent"]) <= check["uncertainty_percent"] + 0.1
    assert check["host_s"] >= 1.0
    assert check["bound_percent"] == 0.5
    # LAYERS five times, from the 23rd number of the counter on.
    layer = sorted((TICKS * 4)[22:27])[2]
    model = report.pop("model")
    assert (model["name"], model["tflite_bytes"]) == ("good", tflite.stat().st_size)
    (layer_row,) = report.pop("layers")
    assert layer_row.pop("name")
    assert layer_row == {
        "kind": "CONV_2D",
        "macs": 8 * 8 * 9 * 3 * 4,
        "cycles": layer,
        "us": layer / 64,
    }
    assert report.pop("pipeline")
    plan = stages.plan_model(tflite, load_board("mps2_an386"))
    assert report == {
        "schema": 1,
        "board": "mps2_an386",
        "engine": "aot",
        "port": board.port,
        "build_id": BUILD_ID,
        "toolchain": None,
        "inputs": 3,
        "inputs_spec": "random:1:3",
        "warmup": 2,
        "inferences": 20,
        "mismatches": 0,
        "accuracy": None,
        "balanced_accuracy": None,
        "right": None,
        "clock": "cycles",
        "ticks_per_second": 64_000_000,
        "ram": {
            "arena_bytes": plan.arena_bytes,
            "static_bytes": None,
            "stack_peak_bytes": 1234,
            "free_heap_bytes": 4321,
        },
        "flash_bytes": None,
        "reset_reason": "pin",
        "warnings": [],
    }


def flash(tflite: Path) -> None:
    """Remember a model as flashed under BUILD_ID."""
    firmware = Firmware(
        build_id=BUILD_ID,
        board="mps2_an386",
        engine="aot",
        toolchain="gcc 12.2",
        elf_path=tflite.parent / "firmware.elf",
        size=SIZE,
    )
    firmware.elf_path.write_bytes(b"ELF")
    size = {"firmware": dataclasses.asdict(SIZE)}
    facts = {"build_id": BUILD_ID, "toolchain": "gcc 12.2", "size": size}
    (tflite.parent / "size.json").write_text(json.dumps(facts))
    remember(
        Flashed(
            tflite=tflite,
            model_name="my_run",
            board="mps2_an386",
            engine="aot",
            firmware=firmware,
            port="/dev/ttyACM0",
            when="2026-01-01T00:00:00+00:00",
        )
    )


@pytest.mark.usefixtures("hurry")
def test_what_was_flashed_is_measured_without_naming_it(
    tflite: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flash(tflite)
    with board_with(tflite) as board:
        status, report, said = measure(capsys, "--port", board.port, "--timed", "4")
    assert status == 0
    assert report["model"]["name"] == "my_run"
    assert report["toolchain"] == "gcc 12.2"
    assert report["ram"]["static_bytes"] == SIZE.static_ram_bytes
    assert report["flash_bytes"] == SIZE.flash_bytes
    # There are ten inputs, and every one is inferred; four are timed.
    assert report["inferences"] == 10
    assert report["cycles_per_inference"]["count"] == 4
    assert "inferences" in said


@pytest.mark.usefixtures("hurry", "cache")
def test_a_firmware_from_elsewhere_needs_its_model(
    tflite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with board_with(tflite) as board:
        status, _, said = measure(capsys, "--port", board.port)
        assert status == 4
        assert f"did not flash: build id '{BUILD_ID}'" in said
        assert measure(capsys, "--port", board.port, "--timed", "1", str(tflite))[0] == 0


@pytest.mark.usefixtures("hurry")
def test_another_model_than_the_named_one_is_refused(
    tflite: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flash(tflite)
    other = tflite.with_name("other.tflite")
    other.write_bytes(good(channels=5))
    with board_with(tflite) as board:
        status, _, said = measure(capsys, "--port", board.port, str(other))
    assert status == 4
    assert "another model is on the board. Expected other.tflite with sha256" in said
    assert "That is my_run. Flash other.tflite" in said


@pytest.mark.usefixtures("hurry", "cache")
def test_a_wrong_output_is_status_1_after_the_figures(
    tflite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, calls = reference(tflite), []

    def wrong_at_times(inputs: bytes) -> bytes:
        calls.append(inputs)
        # Of inputs that are gone round, the second one is wrong only in its second round.
        output = bytearray(right(inputs))
        output[7] ^= len(calls) == 10 + 3 + 2
        return bytes(output)

    with board_with(tflite, model=wrong_at_times) as board:
        status, report, said = measure(
            capsys, "--port", board.port, "--inputs", "random:1:3", "--timed", "7", str(tflite)
        )
    assert status == 1
    assert report["mismatches"] == 1
    assert "1 of 3 outputs of good" in said


@pytest.mark.usefixtures("hurry", "cache")
@pytest.mark.parametrize("rate", [0.5, 0.8])
def test_a_slow_clock_is_a_warning(
    tflite: Path, capsys: pytest.CaptureFixture[str], rate: float
) -> None:
    with board_with(tflite, rate=rate) as board:
        status, report, _ = measure(capsys, "--port", board.port, "--timed", "3", str(tflite))
    assert status == 0
    assert report["clock_check"]["drift_percent"] == pytest.approx(100 * (rate - 1), abs=3)
    (warning,) = report["warnings"]
    behind = re.match(r"The board's clock is behind this computer's by (\S+) %", warning)
    assert behind
    assert float(behind[1]) == pytest.approx(100 * (1 - rate), abs=3)


@pytest.mark.usefixtures("hurry", "cache")
def test_a_fast_clock_is_an_error(tflite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with board_with(tflite, rate=1.2) as board:
        status, report, said = measure(capsys, "--port", board.port, "--timed", "3", str(tflite))
    assert (status, report) == (5, None)
    assert "must not run ahead of this computer's by more than 2 %" in said
    assert "does not tick at the 64,000,000 Hz" in said


@pytest.mark.usefixtures("hurry", "cache")
def test_an_inference_longer_than_its_answer_took_is_an_error(
    tflite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with board_with(tflite, ticks=(640_000_000,)) as board:
        # It counts a thousand times as fast as it says; its clock is right.
        board.facts["ticks_per_second"] = 64_000_000_000
        status, _, said = measure(capsys, "--port", board.port, "--timed", "3", str(tflite))
    assert status == 5
    assert "640,000,000 ticks of 64,000,000 Hz, which are 10.000000 s" in said


@pytest.mark.usefixtures("hurry", "cache")
def test_a_restart_on_the_way_is_an_error(tflite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right, calls = reference(tflite), []

    def restarting(inputs: bytes) -> bytes:
        calls.append(inputs)
        if len(calls) == 14:
            board.started += 1000
        return right(inputs)

    with board_with(tflite, model=restarting) as board:
        board.started -= 1000
        status, _, said = measure(capsys, "--port", board.port, "--timed", "9", str(tflite))
    assert status == 5
    assert "the board restarted during the measurement (reset reason: pin)" in said


@pytest.mark.usefixtures("hurry", "cache")
def test_a_restart_soon_after_the_start_is_an_error_too(
    tflite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, calls = reference(tflite), []

    def crashing(inputs: bytes) -> bytes:
        calls.append(inputs)
        if len(calls) == 14:
            # Its clock goes on from 0, and soon is where it was.
            raise Crash("0x00000000")
        return right(inputs)

    with board_with(tflite, model=crashing) as board:
        status, _, said = measure(capsys, "--port", board.port, "--timed", "9", str(tflite))
    assert status == 5
    assert "the board restarted during the measurement" in said


@pytest.mark.usefixtures("hurry", "cache")
@pytest.mark.parametrize("emulated", [False, True], ids=["it says so", "its port says so"])
def test_an_emulator_on_a_port_has_no_time(
    tflite: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    emulated: bool,
) -> None:
    if emulated:
        # The very image of a board that has emulators, on a port that is no hardware.
        real = dataclasses.replace(load_board("mps2_an386"), clock="cycles")
        monkeypatch.setattr("pipeline.device.board.load_board", lambda name: real)
    facts = {"clock": "cycle-counter" if emulated else "virtual-time"}
    with board_with(tflite, facts=facts, rate=3.0, ticks=(50,)) as board:
        options = ("--port", board.port, "--timed", "3", str(tflite))
        status, report, _ = measure(capsys, *options)
        assert status == 0
        assert report["clock"] == "instructions"
        assert report["instructions_per_inference"]["median"] == 50 * 40
        assert report["latency_us"] is report["round_trip_us"] is report["clock_check"] is None
        assert [layer["us"] for layer in report["layers"]] == [None]
        with pytest.raises(SystemExit):
            cli.main(["measure", "--board", "mps2_an386", *options])
    shown = capsys.readouterr().out
    assert "instructions" in shown
    assert not re.search(r"\bms\b|milli|\bus\b", shown)


@pytest.mark.usefixtures("hurry", "cache")
def test_the_tables_show_the_figures(tflite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"reset_reason": "watchdog", "free_heap_bytes": None, "layers": 2}
    with (
        board_with(tflite, ticks=(64_000,), facts=facts) as board,
        pytest.raises(SystemExit) as caught,
    ):
        cli.main(["measure", "--board", "x", "--port", board.port, "--timed", "5", str(tflite)])
    assert caught.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for text in (
        "good on mps2_an386",
        "0 of 10 outputs differ from the reference",
        "5 timed of 10, 10 before them",
        "free heap none",
        "started by watchdog",
        "cycles 64,000 64,000 64,000 0 64,000 64,000",
        "ms on the board 1.000 1.000 1.000 0.000 1.000 1.000",
        "against this computer's",
        # The board says that it has two layers: nothing is known of them.
        "0 - - - 64,000 1.000 50.0%",
        "Warning: The board last started because of: watchdog.",
    ):
        assert text in shown


@pytest.mark.usefixtures("hurry", "cache")
def test_a_board_that_is_unplugged_is_status_4(
    tflite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, calls = reference(tflite), []

    def leaving(inputs: bytes) -> bytes:
        calls.append(inputs)
        if len(calls) == 13:
            board.leave()
        return right(inputs)

    with board_with(tflite, model=leaving) as board:
        status, report, said = measure(capsys, "--port", board.port, str(tflite))
    assert (status, report) == (4, None)
    assert "the device has gone away" in said


@pytest.mark.usefixtures("hurry", "cache")
def test_another_board_is_refused(tflite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with board_with(tflite, facts={"board": "nano33"}) as board:
        status, _, said = measure(capsys, "--port", board.port, str(tflite))
    assert status == 4
    assert "expected board 'mps2_an386'. Received: 'nano33'" in said
