"""The bench as tables on a terminal, from its JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.report.tables import make_table, number_text

# Columns of the picture of RAM; TFLM's arena fills them all.
_PICTURE_WIDTH = 40

_STYLES = {"aim": "green", "reached": "green", "missed": "bold red", "unknown": "dim"}


def bench_tables(report: Mapping[str, Any]) -> Group:
    """Every model, the split by kind of layer, memory, means and targets."""
    rows = [row for row in report["models"] if "error" not in row]
    parts: list[RenderableType] = [_speed_table(report), _size_table(rows), _memory_table(rows)]
    parts += [_kind_table(row) for row in rows]
    parts.append(_target_table(report))
    parts.append(
        Text("TFLM: int8-only registrations. Cycles are estimated, on both sides.", style="dim")
    )
    return Group(*parts)


def _speed_table(report: Mapping[str, Any]) -> Table:
    table = make_table(
        "<model", "mismatches", "MACs", "instructions", "per MAC", "TFLM reference", "ratio",
        "TFLM+CMSIS-NN", "ratio", "estimated cycles", "CMSIS-NN", "ratio",
    )  # fmt: skip
    for row in report["models"]:
        if "error" in row:
            table.add_row(row["model"], row["error"])
            continue
        tflm, ratios = row["tflm"], row["ratios"]
        table.add_row(
            row["model"],
            str(sum(row["mismatches"].values())),
            f"{row['macs']:,}",
            f"{row['instructions']:,}",
            f"{row['instructions'] / row['macs']:.2f}" if row["macs"] else "-",
            number_text(tflm["reference_instructions"]),
            _ratio(ratios["reference"]),
            number_text(tflm["cmsis_instructions"]),
            _ratio(ratios["instructions"]),
            number_text(row["estimated_cycles"]),
            number_text(tflm["cmsis_estimated_cycles"]),
            _ratio(ratios["cycles"]),
        )
    for over, means in report["means"].items():
        table.add_row(
            f"geometric mean, {over}", "", "", "", "", "", _ratio(means["reference"]), "",
            _ratio(means["instructions"]), "", "", _ratio(means["cycles"]), style="bold",
        )  # fmt: skip
    return table


def _size_table(rows: list[Mapping[str, Any]]) -> Table:
    table = make_table(
        "<model", "RAM", "TFLM arena", "ratio", "runtime", "TFLM runtime", "ratio", "weights",
        ".tflite", "ratio",
    )  # fmt: skip
    for row in rows:
        table.add_row(
            row["model"],
            number_text(row["ram_bytes"]),
            number_text(row["tflm"]["arena_bytes"]),
            _ratio(row["ratios"]["ram"]),
            number_text(row["runtime_bytes"]),
            number_text(row["tflm"]["runtime_bytes"]),
            _ratio(row["ratios"]["runtime"]),
            number_text(row["weights_bytes"]),
            number_text(row["tflite_bytes"]),
            _ratio(row["ratios"]["weights"]),
        )
    return table


def _memory_table(rows: list[Mapping[str, Any]]) -> Table:
    """Arena and stack as a bar whose full length is TFLM's arena."""
    table = make_table("<model", "arena", "scratch in it", "inputs", "stack", "<of TFLM's arena")
    for row in rows:
        memory = row["memory"]
        whole = memory["tflm_arena_bytes"]
        table.add_row(
            row["model"],
            number_text(memory["arena_bytes"]),
            number_text(memory["scratch_bytes"]),
            number_text(memory["inputs_bytes"]),
            number_text(memory["stack_peak_bytes"]),
            _bar(memory["arena_bytes"], memory["stack_peak_bytes"], whole),
        )
    return table


def _bar(arena: int, stack: int, whole: int) -> str:
    """`#` is arena, `+` stack, `.` what is spared; it may grow over the end."""
    end = round(_PICTURE_WIDTH * (arena + stack) / whole)
    filled = min(end, round(_PICTURE_WIDTH * arena / whole))
    return "#" * filled + "+" * (end - filled) + "." * (_PICTURE_WIDTH - end)


def _kind_table(row: Mapping[str, Any]) -> Table:
    table = make_table(
        f"<{row['model']}",
        "MACs",
        "instructions",
        "per MAC",
        "estimated cycles",
        "CMSIS-NN",
        "ratio",
    )
    for kind in row["kinds"]:
        macs = kind["macs"]
        table.add_row(
            kind["kind"],
            f"{macs:,}" if macs else "-",
            f"{kind['instructions']:,}",
            f"{kind['instructions'] / macs:.2f}" if macs else "-",
            f"{kind['estimated_cycles']:,}",
            number_text(kind["cmsis_instructions"]),
            _ratio(kind["ratio"]),
        )
    return table


def _target_table(report: Mapping[str, Any]) -> Table:
    table = make_table("<target", "<over", "is", "to reach", "aim", "<verdict")
    for target in report["targets"]:
        over = {"worst": f"worst: {target['of']}"}.get(target["over"], target["over"])
        table.add_row(
            target["name"],
            over,
            _ratio(target["value"]),
            f"{target['reach']:.2f}",
            f"{target['aim']:.2f}",
            Text(target["verdict"], style=_STYLES[target["verdict"]]),
        )
    return table


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
