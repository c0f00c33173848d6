"""Serial ports: who may use them, what hangs there, and who has them open."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pipeline.device.board import board_names, load_board
from pipeline.device.port_access import INSTALL_RULES, permission_advice
from pipeline.device.ports import list_ports, port_state
from pipeline.device.presence import installed_rules, port_group
from pipeline.doctor.findings import Finding, fine, lacking

_TOPIC = "serial"


def examine_permissions() -> Iterator[Finding]:
    """Whether this user may open the ports of boards; only Linux asks."""
    if not sys.platform.startswith("linux"):
        return
    rules, group = installed_rules(), port_group()
    if rules is not None:
        yield fine(_TOPIC, "udev rules", str(rules))
    else:
        without = "emulated boards work; ModemManager may take a new port for some seconds"
        yield lacking(_TOPIC, "udev rules", "not installed", fix=INSTALL_RULES, without=without)
    if group is None:
        return
    name, belongs = group
    if belongs or rules is not None:
        yield fine(_TOPIC, f"group {name}", "yours" if belongs else "not yours; the rules do")
    else:
        yield lacking(
            _TOPIC,
            f"group {name}",
            "not yours",
            fix=f"sudo usermod -aG {name} $USER, and log in again",
            without="emulated boards work; with the udev rules nobody needs the group",
        )


def examine_ports() -> Iterator[Finding]:
    """Which boards are plugged in, and whether they can be talked to."""
    boards = [load_board(name) for name in board_names()]
    for port in list_ports():
        kinds = ", ".join(board.name for board in boards if port.usb_id in board.usb_ids)
        if not kinds:
            continue
        state = port_state(port)
        found = f"{kinds}: {state}"
        if state == "free":
            yield fine(_TOPIC, port.path, found)
        elif state == "no permission":
            without = "emulated boards work"
            yield lacking(
                _TOPIC, port.path, found, fix=permission_advice(port.path), without=without
            )
        else:
            without = "everything that does not talk to this board works"
            yield lacking(_TOPIC, port.path, found, fix="close that program", without=without)
