"""The tables of `espalier plan --engine tflm`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group

from pipeline.report.slim_table import add_proof
from pipeline.report.tables import make_table


def tflm_plan_tables(report: Mapping[str, Any]) -> Group:
    """The arena that TensorFlow Lite Micro needs, and the operators."""
    model, arena, board = report["model"], report["arena"], report["board"]
    facts = make_table("<with TensorFlow Lite Micro", f"<{model['name']}")
    for direction in ("inputs", "outputs"):
        for tensor in report[direction]:
            shape = " x ".join(str(size) for size in tensor["shape"])
            facts.add_row(direction[:-1], f"{tensor['dtype']} [{shape}]")
    facts.add_row("TFLM", report["runtime"])
    facts.add_row("model in flash", _bytes(report["weights_bytes"]))
    facts.add_row("MACs", f"{model['macs']:,}")
    facts.add_row(
        "arena",
        f"{_bytes(report['arena_bytes'])} (head {_bytes(arena['head_bytes'])}, tail "
        f"{_bytes(arena['tail_bytes'])}, most at any moment {_bytes(arena['peak_bytes'])})",
    )
    facts.add_row(
        f"{board['name']} has",
        f"RAM {_bytes(board['ram_bytes'])}, flash {_bytes(board['flash_bytes'])}",
    )
    facts.add_row("op resolver", ", ".join(report["registrations"]))
    layers = make_table("#", "<layer", "<kind", "<output", "MACs")
    for index, layer in enumerate(report["layers"]):
        layers.add_row(
            str(index),
            layer["name"],
            layer["kind"],
            "x".join(str(size) for size in layer["output_shape"]),
            f"{layer['macs']:,}",
        )
    return Group(facts, layers)


def offline_tables(report: Mapping[str, Any]) -> Group:
    """The head of the arena with TFLM's own placement and with the plan, for each TFLM."""
    facts = make_table("<offline memory plan", f"<{report['model']}")
    facts.add_row("planned for", report["runtime"])
    before, after = report["head_bytes_before"], report["head_bytes"]
    facts.add_row("head of the arena", f"{_bytes(before)} -> {_bytes(after)}")
    facts.add_row("lower bound of the head", _bytes(report["lower_bound_bytes"]))
    facts.add_row("tensors with a place", f"{report['planned_tensors']} of {report['tensors']}")
    measured = report["proof"]["tflm"]
    if measured["equal"]:
        heads = (measured["head_bytes_before"], measured["head_bytes"])
        facts.add_row(
            "head that TFLM on this computer reports", " -> ".join(_bytes(head) for head in heads)
        )
    add_proof(facts, report["proof"])
    for note in report["notes"]:
        facts.add_row("note", note)
    table = make_table("<TFLM", "head", "with the plan", "arena", "with the plan")
    for row in report["runtimes"]:
        keys = ("head_bytes_before", "head_bytes", "arena_bytes_before", "arena_bytes")
        table.add_row(row["name"], *(_bytes(row[key]) for key in keys))
    return Group(facts, table)


def _bytes(value: int | None) -> str:
    return "no limit" if value is None else f"{value:,} B"
