"""Serial ports and the boards they belong to, by their USB ids: never by a guess.

A board's port may vanish and come back under another name, as a boot loader or as the application,
with another USB id. What stays is the plug: the place on the bus where the board is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.device.base import Deadline
from pipeline.device.port_access import busy_error, port_holders
from pipeline.device.serial import SerialDevice
from pipeline.errors import ConfigError, DeviceError
from pipeline.records import Board

# Between two looks at what is plugged in; a listing takes some milliseconds.
POLL_S = 0.1

# USB devices as Linux has them, also those for which no driver made a port.
_SYSFS = Path("/sys/bus/usb/devices")

# By vendor, or vendor and product: the Linux driver that makes a serial port of it.
_DRIVERS = {
    "10c4": "cp210x",
    "1a86:7523": "ch341",
    "1a86": "cdc_acm",
    "0403": "ftdi_sio",
}
_USUAL_DRIVER = "cdc_acm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A serial port of this computer.

    Attributes:
        path: /dev/ttyACM0, COM3, or a URL that pyserial knows.
        usb_id: "vendor:product", four lower-case hex digits each; "" where it is not on USB.
        serial_number: of the USB device; "" where it has none.
        location: of the plug on the bus, without the interface ("1-4.2"); "" where unknown.
        description: for people.
    """

    path: str
    usb_id: str = ""
    serial_number: str = ""
    location: str = ""
    description: str = ""

    def __str__(self) -> str:
        facts = [self.usb_id or "not USB"]
        facts += [self.description] if self.description else []
        facts += [f"serial number {self.serial_number}"] if self.serial_number else []
        return f"{self.path} ({', '.join(facts)})"


def list_ports() -> tuple[Port, ...]:
    """All serial ports that are there now, in the order of their names."""
    from serial.tools import list_ports as pyserial_ports

    for _ in range(3):
        try:
            infos = sorted(pyserial_ports.comports())
            break
        except (TypeError, OSError):
            # pyserial stumbles over a device that vanishes while it is looked at.
            time.sleep(POLL_S)
    else:
        return ()
    return tuple(
        Port(
            path=info.device,
            usb_id="" if info.vid is None else f"{info.vid:04x}:{info.pid:04x}",
            serial_number=info.serial_number or "",
            location=(info.location or "").partition(":")[0],
            description="" if info.description == "n/a" else info.description,
        )
        for info in infos
    )


def find_port(board: Board, requested: str = "") -> Port:
    """The port of a board.

    Args:
        board: with its USB ids.
        requested: a path or URL that the user names; "" is to look for the board.
    Raises:
        ConfigError: the board has no USB port of its own.
        DeviceError: none is plugged in, or several are.
    """
    if requested:
        return named_port(requested)
    if not board.usb_ids:
        raise ConfigError(
            f"board '{board.name}': expected one with a serial port (usb_ids in its board.toml). "
            "Received: none. Name the port with --port, or use a board that is plugged in."
        )
    ports = list_ports()
    found = [port for port in ports if port.usb_id in board.usb_ids]
    if not found:
        raise _not_found(board, ports)
    if len(found) > 1:
        shown = "".join(f"\n  {port}" for port in found)
        raise DeviceError(
            f"board '{board.name}': expected one that is plugged in. Received: {len(found)}:"
            f"{shown}\nChoose one with --port."
        )
    return found[0]


def named_port(name: str) -> Port:
    """A port that the user names, with what is known of it; it need not be there."""
    path = name if "://" in name else os.path.realpath(name)
    listed = [port for port in list_ports() if port.path in (name, path)]
    # pyserial also takes names that no listing has.
    return listed[0] if listed else Port(path=name)


def find_any_port(boards: tuple[Board, ...]) -> Port:
    """The only port that belongs to any of some boards.

    Raises:
        DeviceError: there is none, or there are several.
    """
    ids = {usb_id for board in boards for usb_id in board.usb_ids}
    ports = list_ports()
    found = [port for port in ports if port.usb_id in ids]
    if len(found) == 1:
        return found[0]
    shown = "".join(f"\n  {port}" for port in found or ports)
    received = f"{len(found)}:" if found else f"none of them.{' There are:' if shown else ''}"
    raise DeviceError(
        f"Port: expected one board that is plugged in. Received: {received}{shown}\n"
        "Choose one with --port, or a board with --board."
    )


def check_port(port: Port) -> None:
    """Open a port exclusively and close it again.

    Raises:
        DeviceError: it is missing, not permitted, or another program has it open.
    """
    if "://" in port.path:
        return
    # Programs that take no lock would still eat a part of what the board says.
    if holders := port_holders(port.path):
        raise busy_error(port.path, holders)
    with SerialDevice(port.path):
        pass


def port_state(port: Port) -> str:
    """Whether a port can be used, in a few words; it is not opened, which resets some boards."""
    if holders := port_holders(port.path):
        return f"held by {', '.join(holders)}"
    return "free" if os.access(port.path, os.R_OK | os.W_OK) else "no permission"


def find_again(port: Port, board: Board | None) -> Port | None:
    """Where the board of a port is now, under whatever name; None while it is nowhere.

    Args:
        port: where it was.
        board: what it is, if known.
    """
    if "://" in port.path:
        return port
    ports = list_ports()
    if port.location:
        # Some boards show several ports in one plug: the same name is the better guess.
        here = [other for other in ports if other.location == port.location]
        return next((o for o in here if o.path == port.path), here[0] if here else None)
    same = [other for other in ports if other.path == port.path]
    if not same and os.path.exists(port.path):
        # No listing has it: a port that the user has named.
        return port
    ids = () if board is None else board.usb_ids
    alike = [other for other in ports if other.usb_id and other.usb_id in ids]
    # Without a plug to go by, a name that nothing else had is the board; else its kind.
    return next(iter([*same, *alike]), None)


def wait_for(
    look: Callable[[], Port | None], seconds: float, poll_s: float = POLL_S
) -> Port | None:
    """Look until there is a port that can be opened, or the time is up.

    A port that has just come back may still lack its permissions, or be tried by ModemManager.

    Args:
        look: gives the port, or None while there is none.
        seconds: to wait at most.
        poll_s: between two looks.
    Returns:
        The port, or None if none came.
    Raises:
        DeviceError: one came, but could not be opened until the end.
    """
    deadline = Deadline(seconds)
    refusal: DeviceError | None = None
    while True:
        port = look()
        if port is not None:
            try:
                check_port(port)
                return port
            except DeviceError as error:
                refusal = error
        if deadline.expired:
            break
        time.sleep(min(poll_s, deadline.remaining_s))
    if port is not None and refusal is not None:
        raise refusal
    return None


def _not_found(board: Board, ports: tuple[Port, ...]) -> DeviceError:
    wanted = f"{', '.join(board.usb_ids)}"
    there = "".join(f"\n  {port}" for port in ports)
    received = f"these ports:{there}" if there else "no serial port at all."
    driverless = _without_driver(board.usb_ids)
    if driverless:
        advice = (
            f"The board is plugged in ({driverless}), but this system made no serial port of it: "
            f"load its driver ('sudo modprobe {_driver_of(driverless)}'). Where that is loaded, "
            "look whether another program took the device ('sudo dmesg | tail'; on Ubuntu brltty "
            "takes CH340 bridges: 'sudo apt remove brltty')."
        )
    else:
        advice = (
            "Plug the board in with a cable that carries data (many only charge), press its reset "
            "button, or name its port with --port."
        )
    return DeviceError(
        f"board '{board.name}': expected a serial port with the USB id {wanted}. Received: "
        f"{received}\n{advice}"
    )


def _without_driver(usb_ids: tuple[str, ...]) -> str:
    """The first of the ids that is plugged in; called where none of them has a port."""
    for device in sorted(_SYSFS.glob("*")):
        try:
            vendor = (device / "idVendor").read_text().strip()
            product = (device / "idProduct").read_text().strip()
        except OSError:
            # A hub's interface, or a device that has just gone.
            continue
        if f"{vendor}:{product}" in usb_ids:
            return f"{vendor}:{product}"
    return ""


def _driver_of(usb_id: str) -> str:
    vendor = usb_id.partition(":")[0]
    return _DRIVERS.get(usb_id) or _DRIVERS.get(vendor) or _USUAL_DRIVER
