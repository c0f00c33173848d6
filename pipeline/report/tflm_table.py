"""The tables of `espalier plan --engine tflm`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group

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


def _bytes(value: int | None) -> str:
    return "no limit" if value is None else f"{value:,} B"
