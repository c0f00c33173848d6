"""What is plugged in, and what was flashed, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from pipeline.report.tables import facts_table, make_table


def flash_tables(report: Mapping[str, Any]) -> Table:
    """What runs on a board now."""
    facts = facts_table(f"{report['model']['name']} is on {report['board']}")
    facts.add_row("port", report["port"])
    facts.add_row("build id", f"{report['build_id']}, as the board says")
    facts.add_row("firmware", f"{report['engine']}, {report['toolchain']}")
    facts.add_row("arena", f"{report['arena_bytes']:,} bytes")
    return facts


def port_tables(report: Mapping[str, Any]) -> Table:
    """The serial ports of this computer."""
    table = make_table("<port", "<USB id", "<board", "<description", "<serial number", "<state")
    for port in report["ports"]:
        table.add_row(
            port["path"],
            port["usb_id"],
            ", ".join(port["boards"]),
            port["description"],
            port["serial_number"],
            port["state"],
        )
    return table
