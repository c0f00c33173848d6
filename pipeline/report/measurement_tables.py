"""A board's figures as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.report.tables import bytes_text, facts_table, make_table, short_name

_HOT_SHARE = 0.15
_CLOCK_NOTES = {
    "cycles": "Measured on the board, by its own cycle counter.",
    "microseconds": "Measured on the board, by its own timer.",
    "instructions": "This is an emulator: instructions are exact; they are no cycles and no time.",
    "host": "Ticks of a process on this computer: they say nothing about a microcontroller.",
}
_STATISTICS = ("median", "p95", "mean", "stdev", "min", "max")


def measurement_tables(report: Mapping[str, Any]) -> Group:
    """The figures of one measurement, its latency, its layers, and warnings."""
    facts = facts_table(f"{report['model']['name']} on {report['board']}")
    facts.add_row("port", report["port"])
    built_by = f", {report['toolchain']}" if report["toolchain"] else ""
    facts.add_row("firmware", f"{report['engine']}{built_by}, {report['build_id']}")
    mismatches = report["mismatches"]
    facts.add_row(
        "mismatches",
        Text(
            f"{mismatches:,} of {report['inputs']:,} outputs differ from the reference",
            style="bold red" if mismatches else "green",
        ),
    )
    if report["accuracy"] is not None:
        right = f"{report['right']:,} of {report['inputs']:,} right"
        facts.add_row("accuracy", f"{report['accuracy']:.2%}, {right}")
        facts.add_row("balanced accuracy", f"{report['balanced_accuracy']:.2%}")
    unit = tick_name(report)
    facts.add_row(
        "inferences",
        f"{report[f'{unit}_per_inference']['count']:,} timed of {report['inferences']:,}, "
        f"{report['warmup']:,} before them",
    )
    if report["clock_check"] is not None:
        check = report["clock_check"]
        # Rounded first, so that there is no "-0.000".
        drift = round(check["drift_percent"], 3) + 0.0
        facts.add_row(
            "clock",
            f"{drift:+.3f} % (known to {check['uncertainty_percent']:.3f} %) against this "
            f"computer's, over {check['host_s']:.1f} s",
        )
    ram = report["ram"]
    facts.add_row(
        "RAM",
        f"arena {bytes_text(ram['arena_bytes'])}, static {bytes_text(ram['static_bytes'])}, "
        f"stack {bytes_text(ram['stack_peak_bytes'])}, free heap "
        + ("none" if ram["free_heap_bytes"] is None else bytes_text(ram["free_heap_bytes"])),
    )
    facts.add_row("flash", bytes_text(report["flash_bytes"]))
    facts.add_row("started by", report["reset_reason"])
    parts: list[RenderableType] = [facts, _latency_table(report, unit), _layer_table(report, unit)]
    parts.append(Text(_CLOCK_NOTES[report["clock"]], style="dim"))
    parts += [Text(f"Warning: {warning}", style="yellow") for warning in report["warnings"]]
    return Group(*parts)


def tick_name(report: Mapping[str, Any]) -> str:
    """The unit in which a measurement's report counts, as its keys spell it."""
    return "host_ticks" if report["clock"] == "host" else str(report["clock"])


def _latency_table(report: Mapping[str, Any], unit: str) -> Table:
    table = make_table("<per inference", *(name for name in _STATISTICS))
    counts = report[f"{unit}_per_inference"]
    table.add_row(unit.replace("_", " "), *(f"{counts[name]:,.0f}" for name in _STATISTICS))
    for label, key in (
        ("ms on the board", "latency_us"),
        ("ms with the serial line", "round_trip_us"),
    ):
        if report[key] is not None:
            row = report[key]
            table.add_row(label, *(f"{row[name] / 1000:,.3f}" for name in _STATISTICS))
    return table


def _layer_table(report: Mapping[str, Any], unit: str) -> Table:
    is_time = report["latency_us"] is not None
    columns = ("ms",) if is_time else ()
    table = make_table("#", "<layer", "<kind", "MACs", unit.replace("_", " "), *columns, "share")
    total = sum(layer[unit] for layer in report["layers"]) or 1
    for index, layer in enumerate(report["layers"]):
        share = layer[unit] / total
        table.add_row(
            str(index),
            short_name(layer["name"]) if layer["name"] else "-",
            layer["kind"] or "-",
            f"{layer['macs']:,}" if layer["macs"] else "-",
            f"{layer[unit]:,}",
            *((f"{layer['us'] / 1000:,.3f}",) if is_time else ()),
            f"{share:.1%}",
            style="bold" if share >= _HOT_SHARE else None,
        )
    return table
