"""Why a serial port cannot be opened, and who has it: facts for messages."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pipeline.errors import DeviceError
from pipeline.paths import udev_rules_path

INSTALL_RULES = (
    f"sudo cp {udev_rules_path()} /etc/udev/rules.d/ && sudo udevadm control --reload && "
    "sudo udevadm trigger"
)

_PROC = Path("/proc")


def open_error(port: str, error: Exception) -> DeviceError:
    """What to say of a port that did not open.

    Args:
        port: its path or URL.
        error: as pyserial raised it.
    """
    number = getattr(error, "errno", None)
    text = str(error)
    if number == errno.ENOENT or "No such file" in text:
        advice = "Plug the board in, or name another port (`espalier ports` lists them)."
    elif number in (errno.EACCES, errno.EPERM) or "Permission" in text:
        advice = permission_advice(port)
    elif number in (errno.EBUSY, errno.EAGAIN) or "lock" in text:
        return busy_error(port, port_holders(port))
    elif number in (errno.ENODEV, errno.ENXIO):
        advice = "The board was unplugged or restarted just now: try again."
    else:
        advice = "Check the port's name and the cable."
    return DeviceError(f"{port}: cannot open the port. Received: {text}. {advice}")


def busy_error(port: str, holders: tuple[str, ...]) -> DeviceError:
    """What to say of a port that another program has.

    Args:
        port: its path.
        holders: as `port_holders` gives them.
    """
    keep_off = f"install {udev_rules_path()} (docs/flash.md)"
    if any(holder.startswith("ModemManager") for holder in holders):
        advice = f"It tries new ports for some seconds. Wait, or keep it off for good: {keep_off}."
    elif holders:
        advice = "Close its serial monitor."
    else:
        advice = (
            "Close its serial monitor. Where there is none, ModemManager may be trying the port: "
            f"wait some seconds, or keep it off for good: {keep_off}."
        )
    held = f"held by {', '.join(holders)}" if holders else "in use, by whom cannot be told"
    return DeviceError(
        f"{port}: cannot open the port. Another program uses the port. Expected it free. "
        f"Received: {held}. {advice}"
    )


def port_holders(port: str) -> tuple[str, ...]:
    """Programs that have a port open, like "minicom (process 812)", as far as can be seen.

    Without root only one's own processes can be. Nothing where there is no /proc.

    Args:
        port: its path; links are followed.
    """
    target = os.path.realpath(port)
    found = []
    for process in _PROC.glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        if _has_open(process, target):
            found.append(f"{_name_of(process)} (process {process.name})")
    return tuple(sorted(found))


def _has_open(process: Path, target: str) -> bool:
    try:
        for descriptor in (process / "fd").iterdir():
            try:
                if os.readlink(descriptor) == target:
                    return True
            except OSError:
                # It was closed in the meantime.
                continue
    except OSError:
        # Another user's process, or one that has ended.
        return False
    return False


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a program"


def permission_advice(port: str) -> str:
    """How to get leave to use a port."""
    group = _group_of(port)
    return (
        "Your user may not use this port. Either install the rule for these boards once: "
        f"'{INSTALL_RULES}', and plug the board in again; or join the port's group: "
        f"'sudo usermod -aG {group} $USER', and log in again."
    )


def _group_of(port: str) -> str:
    """The group that may use a port; Debian's name for it where that says nothing."""
    try:
        group = Path(port).group()
    except (OSError, KeyError, NotImplementedError):
        return "dialout"
    return "dialout" if group == "root" else group
