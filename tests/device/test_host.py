from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from pipeline.device import host
from pipeline.device.base import Deadline
from pipeline.device.host import HostDevice
from pipeline.errors import DeviceError


def program(folder: Path, body: str) -> Path:
    path = folder / "firmware"
    path.write_text(f"#!{sys.executable}\nimport sys, time, signal\n{body}\n")
    path.chmod(0o755)
    return path


def test_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="expected a firmware at .*none.*Build it first"):
        HostDevice(tmp_path / "none").open()


def test_program_that_ends_is_an_error_with_its_stderr(tmp_path: Path) -> None:
    path = program(tmp_path, "print('no memory', file=sys.stderr); sys.exit(3)")
    with (
        HostDevice(path) as device,
        pytest.raises(DeviceError, match=r"(?s)ended with status 3. Its stderr:.*no memory"),
    ):
        device.read(Deadline(10.0))


def test_program_that_cannot_be_executed_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "firmware"
    path.write_bytes(b"\x7fELF?")
    with pytest.raises(DeviceError, match="Permission denied"), HostDevice(path) as device:
        device.read(Deadline(10.0))


def test_program_that_does_not_listen_is_an_error_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "WRITE_S", 0.2)
    path = program(tmp_path, "time.sleep(60)")
    with (
        HostDevice(path) as device,
        pytest.raises(DeviceError, match="must take 1000000 bytes within 0.2 s"),
    ):
        device.write(bytes(1_000_000))


def test_program_that_answers_while_it_listens_does_not_block(tmp_path: Path) -> None:
    path = program(
        tmp_path,
        "while data := sys.stdin.buffer.read1():\n"
        "    sys.stdout.buffer.write(data); sys.stdout.buffer.flush()",
    )
    data = bytes(1_000_000)
    with HostDevice(path) as device:
        device.write(data)
        received = 0
        while received < len(data):
            chunk = device.read(Deadline(10.0))
            assert chunk
            received += len(chunk)


def test_program_that_ignores_being_ended_is_killed(tmp_path: Path) -> None:
    path = program(
        tmp_path,
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', end='', flush=True); time.sleep(60)",
    )
    device = HostDevice(path)
    device.open()
    assert device.read(Deadline(10.0)) == b"up"
    begin = time.monotonic()
    device.close()
    assert time.monotonic() - begin < 10
