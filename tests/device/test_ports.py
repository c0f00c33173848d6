"""Ports by USB ids, and what is said where one cannot be had."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial.tools.list_ports
from serial.tools.list_ports_common import ListPortInfo

from pipeline.device import port_access, ports
from pipeline.device.board import load_board
from pipeline.device.port_access import open_error, port_holders
from pipeline.device.ports import (
    Port,
    check_port,
    find_again,
    find_any_port,
    find_port,
    list_ports,
    named_port,
    port_state,
    wait_for,
)
from pipeline.device.serial import SerialDevice
from pipeline.errors import ConfigError, DeviceError
from pipeline.paths import udev_rules_path
from tests.desk import esp32, nano33
from tests.simulated_board import NANO_APPLICATION, NANO_LOADER, PluggedIn, SimulatedBoard

NANO = Port(path="/dev/ttyACM0", usb_id=NANO_APPLICATION, location="1-4", serial_number="A1")
OTHER_NANO = Port(path="/dev/ttyACM1", usb_id=NANO_LOADER, location="1-5", serial_number="B2")
UART = Port(path="/dev/ttyS0")


@pytest.fixture
def no_usb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty /sys/bus/usb/devices."""
    folder = tmp_path / "usb"
    folder.mkdir()
    monkeypatch.setattr(ports, "_SYSFS", folder)
    return folder


@pytest.fixture
def board(plugged: PluggedIn) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(plugged) as made:
        yield made


# --- finding ---


def test_listing_speaks_as_the_boards_do(monkeypatch: pytest.MonkeyPatch) -> None:
    usb = ListPortInfo("/dev/ttyACM0")
    usb.vid, usb.pid, usb.serial_number = 0x2341, 0x005A, "A1"
    usb.location, usb.description = "1-4:1.0", "Nano 33 BLE"
    monkeypatch.setattr(
        serial.tools.list_ports, "comports", lambda: [ListPortInfo("/dev/ttyS0"), usb]
    )
    assert list_ports() == (
        Port(
            path="/dev/ttyACM0",
            usb_id="2341:005a",
            serial_number="A1",
            location="1-4",
            description="Nano 33 BLE",
        ),
        Port(path="/dev/ttyS0"),
    )


def test_listing_survives_a_device_that_vanishes_under_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [TypeError("int() can't convert non-string"), FileNotFoundError(), []]

    def comports() -> list[object]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(serial.tools.list_ports, "comports", comports)
    assert list_ports() == ()
    assert not answers


def test_this_computer_can_be_listed() -> None:
    assert all(isinstance(port, Port) for port in list_ports())


def test_board_is_found_by_any_of_its_ids(plugged: PluggedIn) -> None:
    plugged.add(UART)
    plugged.add(NANO)
    assert find_port(nano33()) == NANO
    assert find_any_port((nano33(), esp32())) == NANO
    plugged.remove(NANO.path)
    plugged.add(OTHER_NANO)
    assert find_port(nano33()) == OTHER_NANO


def test_no_board_says_what_was_looked_for_and_what_is_there(
    plugged: PluggedIn, no_usb: Path
) -> None:
    with pytest.raises(DeviceError, match=r"2341:005a, 2341:805a\. Received: no serial port") as a:
        find_port(nano33())
    assert a.value.exit_status == 4
    plugged.add(UART)
    plugged.add(dataclasses.replace(NANO, usb_id="0403:6001", description="FT232R"))
    with pytest.raises(DeviceError) as caught:
        find_port(nano33())
    assert str(caught.value) == (
        "board 'mps2_an386': expected a serial port with the USB id 2341:005a, 2341:805a. "
        "Received: these ports:\n"
        "  /dev/ttyS0 (not USB)\n"
        "  /dev/ttyACM0 (0403:6001, FT232R, serial number A1)\n"
        "Plug the board in with a cable that carries data (many only charge), press its reset "
        "button, or name its port with --port."
    )


@pytest.mark.parametrize(
    ("usb_id", "driver"),
    [
        ("10c4:ea60", "cp210x"),
        ("1a86:7523", "ch341"),
        ("1a86:55d4", "cdc_acm"),
        ("0403:6001", "ftdi_sio"),
        ("303a:1001", "cdc_acm"),
    ],
)
def test_board_without_a_driver_is_told_from_none(
    usb_id: str, driver: str, plugged: PluggedIn, no_usb: Path
) -> None:
    for name, content in (("usb1", "1d6b:0002"), ("1-4", usb_id), ("1-4:1.0", "")):
        (no_usb / name).mkdir()
        if content:
            vendor, product = content.split(":")
            (no_usb / name / "idVendor").write_text(f"{vendor}\n")
            (no_usb / name / "idProduct").write_text(f"{product}\n")
    board = dataclasses.replace(esp32(), usb_ids=(usb_id,))
    with pytest.raises(DeviceError, match=f"plugged in \\({usb_id}\\).*'sudo modprobe {driver}'"):
        find_port(board)


def test_several_boards_are_listed(plugged: PluggedIn) -> None:
    plugged.add(NANO)
    plugged.add(OTHER_NANO)
    with pytest.raises(DeviceError) as caught:
        find_port(nano33())
    assert caught.value.exit_status == 4
    assert str(caught.value) == (
        "board 'mps2_an386': expected one that is plugged in. Received: 2:\n"
        "  /dev/ttyACM0 (2341:805a, serial number A1)\n"
        "  /dev/ttyACM1 (2341:005a, serial number B2)\n"
        "Choose one with --port."
    )
    with pytest.raises(DeviceError, match=r"Received: 2:\n  /dev/ttyACM0 .*\n.*\nChoose one"):
        find_any_port((nano33(),))


def test_no_known_board_at_all(plugged: PluggedIn) -> None:
    with pytest.raises(DeviceError, match=r"Received: none of them\.\nChoose one with --port"):
        find_any_port((nano33(),))
    plugged.add(UART)
    with pytest.raises(DeviceError, match=r"none of them\. There are:\n  /dev/ttyS0 \(not USB\)"):
        find_any_port((nano33(),))


def test_emulated_board_has_no_port(plugged: PluggedIn) -> None:
    with pytest.raises(ConfigError, match="board 'host': expected one with a serial port"):
        find_port(load_board("host"))


def test_named_port_overrides(plugged: PluggedIn, tmp_path: Path) -> None:
    plugged.add(NANO)
    plugged.add(OTHER_NANO)
    assert find_port(nano33(), "/dev/ttyACM1") == OTHER_NANO
    assert find_port(load_board("host"), "/dev/ttyACM1") == OTHER_NANO
    assert named_port("socket://bench:4000") == Port(path="socket://bench:4000")
    assert named_port("/dev/ttyXY") == Port(path="/dev/ttyXY")


def test_named_link_is_followed(plugged: PluggedIn, tmp_path: Path) -> None:
    """As those of /dev/serial/by-id."""
    there = tmp_path / "ttyACM0"
    there.touch()
    port = dataclasses.replace(NANO, path=str(there))
    plugged.add(port)
    (tmp_path / "by-id").symlink_to(there)
    assert named_port(str(tmp_path / "by-id")) == port


# --- the same board again ---


def test_board_is_found_again_in_its_plug(plugged: PluggedIn) -> None:
    plugged.add(OTHER_NANO)
    assert find_again(NANO, nano33()) is None
    loader = Port(path="/dev/ttyACM5", usb_id=NANO_LOADER, location=NANO.location)
    plugged.add(loader)
    assert find_again(NANO, nano33()) == loader
    assert find_again(NANO, None) == loader


def test_of_two_ports_in_a_plug_the_one_of_the_same_name_is_meant(plugged: PluggedIn) -> None:
    first = Port(path="/dev/ttyUSB0", usb_id="0403:6010", location="1-4")
    second = dataclasses.replace(first, path="/dev/ttyUSB1")
    plugged.add(first)
    plugged.add(second)
    assert find_again(second, esp32()) == second


def test_without_a_plug_the_name_or_the_kind_has_to_do(plugged: PluggedIn) -> None:
    nowhere = dataclasses.replace(NANO, location="")
    assert find_again(nowhere, nano33()) is None
    plugged.add(dataclasses.replace(OTHER_NANO, location=""))
    assert find_again(nowhere, nano33()) == dataclasses.replace(OTHER_NANO, location="")
    assert find_again(nowhere, None) is None
    plugged.add(nowhere)
    assert find_again(nowhere, nano33()) == nowhere
    url = Port(path="socket://bench:4000")
    assert find_again(url, None) == url


def test_port_that_no_listing_has(plugged: PluggedIn, tmp_path: Path) -> None:
    port = named_port(str(tmp_path / "ttyV0"))
    assert find_again(port, nano33()) is None
    Path(port.path).touch()
    plugged.add(NANO)
    assert find_again(port, nano33()) == port


def test_waiting_for_a_port(board: SimulatedBoard) -> None:
    port = find_port(nano33())
    assert wait_for(lambda: port, 0) == port
    assert wait_for(lambda: None, 0.05, poll_s=0.01) is None
    looks = iter([None, None, port])
    assert wait_for(lambda: next(looks), 5.0, poll_s=0.01) == port


def test_waiting_for_a_port_that_another_program_lets_go(board: SimulatedBoard) -> None:
    port = find_port(nano33())
    device = SerialDevice(port.path)
    device.open()
    threading.Timer(0.2, device.close).start()
    assert wait_for(lambda: port, 5.0) == port


def test_waiting_in_vain_says_why(board: SimulatedBoard) -> None:
    port = find_port(nano33())
    with (
        SerialDevice(port.path),
        pytest.raises(DeviceError, match="Another program uses the port"),
    ):
        wait_for(lambda: port, 0.1, poll_s=0.01)


# --- who has it, and why not ---


@pytest.fixture
def other_program() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a program that has a port open, without a lock."""
    started: list[subprocess.Popen[str]] = []

    def start(port: str) -> subprocess.Popen[str]:
        script = (
            f"import os; os.open({port!r}, os.O_RDWR | os.O_NOCTTY); print(flush=True); input()"
        )
        program = subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(program)
        assert program.stdout is not None
        program.stdout.readline()
        return program

    yield start
    for program in started:
        program.communicate("\n")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")
def test_holder_is_named(
    board: SimulatedBoard, other_program: Callable[[str], subprocess.Popen[str]]
) -> None:
    port = find_port(nano33())
    assert port_state(port) == "free"
    program = other_program(port.path)
    (holder,) = port_holders(port.path)
    assert holder.endswith(f" (process {program.pid})")
    assert holder.startswith("python")
    assert port_state(port) == f"held by {holder}"
    with pytest.raises(DeviceError) as caught:
        check_port(port)
    assert caught.value.exit_status == 4
    assert f"{port.path}: cannot open the port" in str(caught.value)
    assert f"Received: held by {holder}. Close its serial monitor." in str(caught.value)


def test_lock_of_this_process_is_seen(board: SimulatedBoard) -> None:
    port = find_port(nano33())
    check_port(port)
    with (
        SerialDevice(port.path),
        pytest.raises(DeviceError, match=r"Received: in use, by whom cannot be told\. Close"),
    ):
        check_port(port)


def test_modem_manager_has_a_hint_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = tmp_path / "ttyACM0"
    port.touch()
    process = tmp_path / "proc" / "812"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "7").symlink_to(port)
    (process / "comm").write_text("ModemManager\n")
    (tmp_path / "proc" / "813").mkdir()
    monkeypatch.setattr(port_access, "_PROC", tmp_path / "proc")
    assert port_holders(str(port)) == ("ModemManager (process 812)",)
    with pytest.raises(DeviceError, match=r"held by ModemManager \(process 812\)\. .*60-espalier"):
        check_port(Port(path=str(port)))


def test_no_permission_names_the_rule_and_the_group(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise serial.SerialException(errno.EACCES, f"could not open port {board.port}")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    monkeypatch.setattr(Path, "group", lambda path: "uucp")
    with pytest.raises(DeviceError) as caught:
        check_port(find_port(nano33()))
    assert caught.value.exit_status == 4
    message = str(caught.value)
    assert "Your user may not use this port" in message
    assert f"sudo cp {udev_rules_path()} /etc/udev/rules.d/" in message
    assert "sudo usermod -aG uucp $USER" in message


def test_nobody_is_told_to_join_the_group_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "group", lambda path: "root")
    error = open_error("/dev/ttyACM0", PermissionError(errno.EACCES, "Permission denied"))
    assert "usermod -aG dialout" in str(error)


def test_state_without_permission(board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert port_state(find_port(nano33())) == "no permission"


def test_port_that_went_away_just_now(board: SimulatedBoard) -> None:
    port = find_port(nano33())
    board.unplug()
    time.sleep(0.05)
    with pytest.raises(DeviceError, match=f"{port.path}: cannot open .*Plug the board in"):
        check_port(port)
