"""What the firmware makes of engines that fail, and of several inputs and outputs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.firmware.host_compiler import compile_firmware
from tests.firmware.line import READY, Line, frame

ENGINE = Path(__file__).parent / "programs" / "engine_variants.c"
REASON = "arena ?too? small??1?"


def test_engine_that_does_not_start(tmp_path: Path) -> None:
    with Line(compile_firmware(tmp_path, ENGINE, "-DINIT_FAILS")) as line:
        greeting = line.until(READY).decode().split("\r\n")
        assert greeting[2:] == [f"e-[{REASON}]", "m-init-done", "m-ready", ""]
        assert line.command("infer 1 0") == [f"e-[{REASON}]"]
        assert json.loads(line.command("info")[0].removeprefix("m-info-"))["status"] == REASON
        line.send(frame(0x01, 1, bytes(6)))
        assert line.frame() == (0xFF, 1, b'\x05arena "too" small\n[1]')
        assert line.command("name") == ["m-name-dut-[espalier]"]


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    with Line(compile_firmware(tmp_path, ENGINE)) as line:
        line.until(READY)
        line.command("db load 6")
        assert line.command("db 00017f80ff00") == ["m-load-done"]
        assert line.command("infer 1 0")[-1] == (
            "m-results-[1.500,3.000,192.000,-190.500,0.000,-0.025]"
        )
        line.send(frame(0x01, 1, bytes.fromhex("00017f80ff00")))
        assert line.frame()[2][12:].hex() == "00017f80ff00"


def test_runner_sends_pixels_for_pictures(tmp_path: Path) -> None:
    with Line(compile_firmware(tmp_path, ENGINE, model_name="vww01")) as line:
        line.until(READY)
        assert line.command("profile")[1] == "m-model-[vww01]"
        line.command("db load 6")
        line.command("db 0080ff7f00ff")
        # int8 gets pixel - 128; uint8 takes pixels as they are.
        assert line.command("infer 1 0")[-1] == (
            "m-results-[-190.500,1.500,192.000,0.000,-0.025,0.000]"
        )
        assert line.command("db print") == ["m-buffer-00-80-ff-7f-00-ff"]
        line.send(frame(0x01, 1, bytes.fromhex("0080ff7f00ff")))
        assert line.frame()[2][12:].hex() == "0080ff7f00ff"


def test_more_layers_than_one_inference_times(tmp_path: Path) -> None:
    with Line(compile_firmware(tmp_path, ENGINE, "-DMANY_LAYERS")) as line:
        line.until(READY)
        line.send(frame(0x02, 1, bytes(6)))
        kind, sequence, payload = line.frame()
        assert (kind, sequence, len(payload)) == (0x82, 1, 4 + 8 * 600)
        assert int.from_bytes(payload[:4], "little") == 600
        # Layers 255, 256 and 511 wait in the engine, so that each has to be where it belongs.
        ticks = [int.from_bytes(payload[at : at + 8], "little") for at in range(4, 4804, 8)]
        slow = sorted(range(600), key=lambda layer: ticks[layer])[-3:]
        assert sorted(slow) == [255, 256, 511]


def test_results_that_are_not_quantized(tmp_path: Path) -> None:
    with Line(compile_firmware(tmp_path, ENGINE, "-DREAL_VALUES")) as line:
        line.until(READY)
        line.command("db load 6")
        line.command("db 000000000000")
        assert line.command("infer 1 0")[-1] == (
            "m-results-[-1.500,0.000,1234.568,7.000,-2000000000.000,5000000000.000]"
        )
