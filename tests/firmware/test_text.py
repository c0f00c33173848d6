"""Text commands of firmware/PROTOCOL.md, byte by byte."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.records import Firmware
from tests.firmware.line import ECHO_BYTES, READY, Line, frame

INPUT = bytes(range(ECHO_BYTES))


def load(line: Line, data: bytes) -> None:
    assert line.command(f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]"]
    assert line.command(f"db {data.hex()}") == ["m-load-done"]


def results(data: bytes) -> str:
    """The echo engine's outputs as `results` prints them: scale 1/256, zero point -128."""
    signed = [(~byte & 0xFF) - 256 * ((~byte & 0xFF) > 127) for byte in reversed(data)]
    # Ties are rounded away from zero; all values here are positive.
    return ",".join(f"{(1000 * (value + 128) / 256 + 0.5) // 1 / 1000:.3f}" for value in signed)


def test_greeting(host_program: Path) -> None:
    with Line(host_program) as line:
        greeting = line.until(READY).decode()
    assert re.fullmatch(
        r"m-timestamp-mode-performance\r\nm-lap-us-\d+\r\nm-init-done\r\nm-ready\r\n", greeting
    )


def test_name(line: Line) -> None:
    line.send(b"name%")
    assert line.until(READY) == b"m-name-dut-[espalier]\r\nm-ready\r\n"


def test_profile(line: Line) -> None:
    assert line.command("profile") == [
        "m-profile-[ULPMark for tinyML Firmware V0.0.1]",
        "m-model-[none]",
    ]


def test_timestamps_grow(line: Line) -> None:
    def now() -> int:
        (text,) = line.command("timestamp")
        return int(text.removeprefix("m-lap-us-"))

    before = now()
    line.silence(0.05)
    assert 50_000 <= now() - before < 5_000_000


def test_help_names_every_verb(line: Line) -> None:
    lines = line.command("help")
    assert all(text.startswith("m-") for text in lines)
    for verb in ("name", "profile", "timestamp", "help", "info", "db", "infer", "results"):
        assert any(re.match(rf"m-{verb}\b", text) for text in lines)


def test_info(line: Line, host_firmware: Firmware) -> None:
    (text,) = line.command("info")
    assert json.loads(text.removeprefix("m-info-")) == {
        "protocol": 1,
        "build_id": host_firmware.build_id,
        "model_sha256": "0" * 64,
        "engine": "echo",
        "board": "host",
        "arena_bytes": 32,
        "inputs": [16],
        "outputs": [16],
        "layers": 3,
        "clock": "host",
        "ticks_per_second": 1_000_000_000,
        "free_heap_bytes": None,
        "reset_reason": "power-on",
        "status": "ok",
    }


@pytest.mark.parametrize("text", ["", " ", "\r\n", "\n \r"])
def test_empty_command_is_only_ready(line: Line, text: str) -> None:
    assert line.command(text) == []


@pytest.mark.parametrize("text", [" name", "name ", "na\r\nme", "\nname", "name and more"])
def test_spaces_and_line_ends_do_not_matter(line: Line, text: str) -> None:
    assert line.command(text) == ["m-name-dut-[espalier]"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("frobnicate", "frobnicate"),
        ("NAME", "NAME"),
        ("nam", "nam"),
        ("names", "names"),
        ('a"b\\c[d]e', "a?b?c?d?e"),
        ("a\x00b\x7fc\x1b", "a?b?c?"),
        ("name\x00", "name?"),
    ],
)
def test_unknown_command(line: Line, text: str, shown: str) -> None:
    assert line.command(text) == [f"e-[Unknown command: {shown}]"]


def test_longest_line(line: Line) -> None:
    assert line.command("x" * 80) == [f"e-[Unknown command: {'x' * 80}]"]


@pytest.mark.parametrize("size", [81, 1000, 100_000])
def test_long_line_is_dropped(line: Line, size: int) -> None:
    assert line.command("x" * size) == ["e-[Command too long]"]
    assert line.command("name") == ["m-name-dut-[espalier]"]


@pytest.mark.parametrize("size", ["", "0", "15", "17", "-16", "16x", "99999999999999999999"])
def test_load_of_wrong_size(line: Line, size: str) -> None:
    load(line, INPUT)
    (text,) = line.command(f"db load {size}")
    assert text == f"e-[db load takes 16 bytes, the whole input. Received: {size}]"
    assert line.command("db print")[0] == "m-buffer-00-01-02-03-04-05-06-07"


def test_load_in_pieces(line: Line) -> None:
    line.command("db load 16")
    assert line.command("db 00") == []
    assert line.command("db 0102AbcD") == []
    assert line.command("db print") == ["m-buffer-00-01-02-ab-cd"]
    assert line.command("db " + "ff" * 11) == ["m-load-done"]
    assert line.command("db print") == [
        "m-buffer-00-01-02-ab-cd-ff-ff-ff",
        "m-buffer-ff-ff-ff-ff-ff-ff-ff-ff",
    ]


@pytest.mark.parametrize(
    ("digits", "message"),
    [
        ("", "Insufficent number of hex digits"),
        ("012", "Insufficent number of hex digits"),
        ("01zz", "Invalid hex digit 'zz'"),
        ("010g", "Invalid hex digit '0g'"),
        ("0x01", "Invalid hex digit '0x'"),
        ("00" * 17, "More bytes than db load announced"),
    ],
)
def test_refused_bytes_change_nothing(line: Line, digits: str, message: str) -> None:
    line.command("db load 16")
    line.command("db 5566")
    assert line.command(f"db {digits}") == [f"e-[{message}]"]
    assert line.command("db print") == ["m-buffer-55-66"]
    assert line.command("db " + "00" * 14) == ["m-load-done"]


def test_bytes_without_load(line: Line) -> None:
    assert line.command("db 00") == ["e-[db load N comes first]"]
    load(line, INPUT)
    assert line.command("db 00") == ["e-[db load N comes first]"]


def test_print_without_input(line: Line) -> None:
    assert line.command("db print") == ["e-[No input loaded]"]


def test_infer(line: Line) -> None:
    load(line, INPUT)
    lines = line.command("infer 3 2")
    begin, end = (
        int(text.removeprefix("m-lap-us-")) for text in lines if text.startswith("m-lap-us-")
    )
    assert lines == [
        "m-warmup-start-2",
        "m-warmup-done",
        "m-infer-start-3",
        f"m-lap-us-{begin}",
        f"m-lap-us-{end}",
        "m-infer-done",
        f"m-results-[{results(INPUT)}]",
    ]
    assert begin <= end


def test_infer_defaults(line: Line) -> None:
    load(line, INPUT)
    lines = line.command("infer")
    assert "m-warmup-start-10" in lines
    assert "m-infer-start-1" in lines


def test_input_stays_loaded(line: Line) -> None:
    load(line, INPUT)
    answers = {line.command("infer 1 0")[-1] for _ in range(3)}
    assert answers == {f"m-results-[{results(INPUT)}]"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("0", "Inference iterations must be >0"),
        ("-1", "Inference iterations must be >0"),
        ("x", "Inference iterations must be >0"),
        ("1 -1", "Inference warmup must be >=0"),
        ("1 1.5", "Inference warmup must be >=0"),
        ("100001", "Inference iterations and warmup must be <=100000"),
        ("1 99999999999999999999999", "Inference iterations and warmup must be <=100000"),
        ("1 1", "No input loaded"),
    ],
)
def test_infer_refuses(line: Line, arguments: str, message: str) -> None:
    assert line.command(f"infer {arguments}") == [f"e-[{message}]"]


def test_infer_without_the_whole_input(line: Line) -> None:
    load(line, INPUT)
    line.command("db load 16")
    line.command("db 00")
    assert line.command("infer 1 0") == ["e-[No input loaded]"]


def test_results_before_and_after(line: Line) -> None:
    assert line.command("results") == ["e-[No inference done]"]
    load(line, INPUT)
    assert line.command("results") == ["e-[No inference done]"]
    line.command("infer 1 0")
    assert line.command("results") == [f"m-results-[{results(INPUT)}]"]


def test_results_span_the_whole_range(line: Line) -> None:
    data = bytes([0x7F, 0x80, 0xFF, 0x00]) * 4
    load(line, data)
    assert line.command("infer 1 0")[-1] == f"m-results-[{results(data)}]"
    assert "0.000" in results(data)
    assert "0.996" in results(data)


def test_failing_engine(line: Line) -> None:
    load(line, b"\x7e" * ECHO_BYTES)
    assert line.command("infer 1 0")[-1] == "e-[the engine failed]"
    assert line.command("infer 1 1")[-1] == "e-[the engine failed]"
    assert line.command("results") == ["e-[No inference done]"]
    load(line, INPUT)
    assert line.command("infer 1 0")[-1] == f"m-results-[{results(INPUT)}]"


def test_commands_may_arrive_together(line: Line) -> None:
    line.send(b"name%\r\nname%%name%")
    assert line.until(READY) == b"m-name-dut-[espalier]\r\nm-ready\r\n"
    assert line.until(READY) == b"m-name-dut-[espalier]\r\nm-ready\r\n"
    assert line.until(READY) == b"m-ready\r\n"
    assert line.until(READY) == b"m-name-dut-[espalier]\r\nm-ready\r\n"


def test_text_after_frame_uses_its_input(line: Line) -> None:
    line.send(frame(1, 0, INPUT))
    line.frame()
    assert line.command("results") == [f"m-results-[{results(INPUT)}]"]
    assert line.command("infer 1 0")[-1] == f"m-results-[{results(INPUT)}]"


def test_process_ends_with_its_line(host_program: Path) -> None:
    line = Line(host_program)
    line.until(READY)
    assert line.close() == (0, b"")
