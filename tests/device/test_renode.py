"""The Renode device: on a stand-in that runs the firmware in Unicorn, and on Renode where it is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.device import renode
from pipeline.device.protocol import Client, Timeouts
from pipeline.device.renode import RenodeDevice
from pipeline.errors import ConfigError, DeviceError, DeviceTimeout, MissingToolError
from pipeline.paths import boards_path
from tests.device.conftest import ECHO_BYTES, Build, echo
from tests.device.test_emulators import is_running
from tests.shared import REPOSITORY

BOARD = "nrf52840"
INPUT = bytes(range(ECHO_BYTES))
ROBOT_S = 300
# Instructions: Renode brings its clock up to date block by block, not with each of them.
BLOCK = 64

pytestmark = pytest.mark.renode


@pytest.fixture
def fake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a stand-in for Renode on PATH, in a folder with a space; its file of child processes."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    program = folder / "renode"
    script = Path(__file__).with_name("fake_renode.py")
    # As upstream's own: a shell script that starts another program and waits for it.
    program.write_text(f'#!/bin/sh\n"{sys.executable}" "{script}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("FAKE_RENODE", getattr(request, "param", "good"))
    monkeypatch.setenv("FAKE_RENODE_CHILD", str(tmp_path / "child"))
    monkeypatch.delenv("RENODE_HOME", raising=False)
    return tmp_path / "child"


@pytest.fixture
def elf(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.elf"
    path.touch()
    return path


def has_ended(child: Path) -> bool:
    """Whether the program that the stand-in had started is gone, too."""
    for _ in range(100):
        if not is_running(int(child.read_text())):
            return True
        time.sleep(0.02)
    return False


def check_conversation(device: RenodeDevice) -> None:
    client = Client(device, Timeouts(run_s=60.0))
    client.connect()
    assert client.info().board == BOARD
    ticks = [client.run(INPUT).ticks for _ in range(3)]
    assert max(ticks) - min(ticks) <= BLOCK
    assert 100 <= ticks[0] <= 1000
    assert client.run(INPUT).outputs == echo(INPUT)
    assert client.text("name") == ("m-name-dut-[espalier]",)


@pytest.mark.emulator
@pytest.mark.needs("unicorn", "sh")
def test_scripts_and_line_on_a_stand_in(fake: Path, build_echo: Build, tmp_path: Path) -> None:
    elf = tmp_path / "a firmware.elf"
    elf.write_bytes(build_echo(BOARD).elf_path.read_bytes())
    with RenodeDevice(BOARD, elf) as device:
        process = device._process
        assert process is not None
        check_conversation(device)
        device.reset()
        check_conversation(device)
    assert not process.is_running
    assert device._folder is None


@pytest.mark.emulator
@pytest.mark.needs("renode")
def test_renode_runs_the_firmware(build_echo: Build) -> None:
    with RenodeDevice(BOARD, build_echo(BOARD).elf_path) as device:
        check_conversation(device)


@pytest.mark.emulator
@pytest.mark.needs("renode", "unicorn")
def test_renode_counts_the_instructions_that_unicorn_counts(build_echo: Build) -> None:
    from pipeline.device.unicorn import UnicornDevice

    elf = build_echo(BOARD).elf_path
    counts = []
    for device in (RenodeDevice(BOARD, elf), UnicornDevice(BOARD, elf)):
        with device:
            client = Client(device)
            client.connect()
            counts.append(client.run(INPUT).ticks)
    assert abs(counts[0] - counts[1]) <= BLOCK


@pytest.mark.emulator
@pytest.mark.needs("renode-test")
def test_robot_file(build_echo: Build, tmp_path: Path) -> None:
    command = [
        str(renode.find_renode("renode-test")),
        str(boards_path() / BOARD / f"{BOARD}.robot"),
    ]
    command += ["--variable", f"ELF:{build_echo(BOARD).elf_path}", "-r", str(tmp_path)]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=ROBOT_S, check=False, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_robot_file_has_no_argument_that_renode_takes_for_a_named_one() -> None:
    text = (boards_path() / BOARD / f"{BOARD}.robot").read_text()
    assert "=" not in text
    assert "LoadPlatformDescription" in text


@pytest.mark.needs("sh")
@pytest.mark.parametrize(
    ("fake", "message"),
    [
        ("die", r"(?s)renode: expected a running .*status 1.*Fatal error: no libtlib"),
        ("refuse", r"(?s)scripts to run without an error.*executing command 'machine Load"),
    ],
    indirect=["fake"],
)
def test_what_renode_says_is_shown_at_once(fake: Path, elf: Path, message: str) -> None:
    begin = time.monotonic()
    with pytest.raises(DeviceError, match=message):
        RenodeDevice(BOARD, elf).open()
    assert time.monotonic() - begin < 20
    if fake.exists():
        assert has_ended(fake)


@pytest.mark.needs("sh")
@pytest.mark.parametrize("fake", ["silent"], indirect=True)
def test_no_line_within_the_deadline(
    fake: Path, elf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renode, "START_S", 3.0)
    with pytest.raises(DeviceTimeout, match=r"within 3 s. Received: Renode, version 1.16.1"):
        RenodeDevice(BOARD, elf).open()
    assert has_ended(fake)


@pytest.mark.emulator
@pytest.mark.needs("unicorn", "sh")
@pytest.mark.parametrize(
    ("fake", "message"),
    [
        ("leave", r"(?s)renode: .*Received: the process ended with status 1.*the line is gone"),
        ("deaf", r"(?s)without an error. Received:.*executing command 'start'"),
    ],
    indirect=["fake"],
)
def test_a_line_that_fails_is_explained(fake: Path, build_echo: Build, message: str) -> None:
    timeouts = Timeouts(banner_s=1.0, probes_s=(0.5,))
    with RenodeDevice(BOARD, build_echo(BOARD).elf_path) as device:
        client = Client(device, timeouts)
        with pytest.raises(DeviceError, match=message):
            client.connect()


@pytest.mark.needs("sh")
@pytest.mark.parametrize(
    ("fake", "received"),
    [("old", "Renode v1.13.3"), ("strange", "mount: bad usage")],
    indirect=["fake"],
)
def test_another_version_is_refused(fake: Path, elf: Path, received: str) -> None:
    with pytest.raises(MissingToolError, match=f"(?s)1.16 or newer. Received: {received}"):
        RenodeDevice(BOARD, elf).open()


def test_missing_renode_says_how_to_get_it(
    tmp_path: Path, elf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RENODE_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        MissingToolError, match=r"program renode on PATH. Received: none.*releases.*--emulator uni"
    ):
        RenodeDevice(BOARD, elf).open()


@pytest.mark.needs("sh")
def test_renode_home_is_looked_into_first(
    fake: Path, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "home"
    empty.mkdir()
    monkeypatch.setenv("RENODE_HOME", str(empty))
    with pytest.raises(MissingToolError, match=r"in RENODE_HOME \(.*home\). Received: none"):
        RenodeDevice(BOARD, elf).open()
    monkeypatch.setenv("RENODE_HOME", str(tmp_path / "a folder"))
    assert renode.find_renode() == str(tmp_path / "a folder" / "renode")


def test_a_board_without_scripts_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of the boards nrf52840. Received: 'mps2_an386'"):
        RenodeDevice("mps2_an386", Path("x"))


@pytest.mark.needs("sh")
def test_renode_needs_a_firmware(fake: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="expected a firmware at .*Build it first"):
        RenodeDevice(BOARD, tmp_path / "none.elf").open()
