"""Profiles and cards of the zoo on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.report.tables import bytes_text, facts_table, make_table, number_text, short_name

# Layers below this share of all cycles are not worth a colour.
_HOT_SHARE = 0.15

_NOTE = (
    "Instructions, cycles, latency and runtime are estimates for {core}, fitted on an emulated "
    "core; nothing was measured."
)


def profile_tables(report: Mapping[str, Any]) -> Group:
    """A profile: the whole model, then its layers."""
    model, board, estimated = report["model"], report["board"], report["estimated"]
    facts = facts_table(f"{model['name']} on {board['name']}: a profile, nothing is measured")
    params = "" if model["params"] is None else f", {model['params']:,} parameters"
    facts.add_row("model", f"{model['macs']:,} MACs{params}, weights: {model['weights']}")
    facts.add_row("tensor arena", f"{bytes_text(report['arena_bytes'])}{_of(board['ram_bytes'])}")
    if estimated["flash_bytes"] is None:
        facts.add_row("flash", f"weights {bytes_text(report['weights_bytes'])}, runtime unknown")
    else:
        facts.add_row(
            "estimated flash",
            f"{bytes_text(estimated['flash_bytes'])}{_of(board['flash_bytes'])} = weights "
            f"{bytes_text(report['weights_bytes'])} + runtime about "
            f"{bytes_text(estimated['runtime_bytes'])}",
        )
    if report["too_large_for"]:
        memories = " and ".join(report["too_large_for"])
        facts.add_row("fits", Text(f"no: too large for the {memories}", style="bold red"))
    if estimated["why_unknown"] is None:
        facts.add_row("estimated instructions", _about(report, "instructions"))
        facts.add_row("estimated cycles", _about(report, "cycles"))
    else:
        facts.add_row("instructions, cycles", Text(estimated["why_unknown"], style="yellow"))
    if estimated["latency_ms"] is not None:
        clock = f"{board['clock_hz'] / 1e6:g} MHz"
        facts.add_row(f"estimated latency at {clock}", f"{estimated['latency_ms']:,.1f} ms")
    note = _NOTE.format(core=estimated["core"])
    return Group(facts, _layer_table(report), Text(note, style="dim"))


def _of(limit: int | None) -> str:
    return "" if limit is None else f" of {bytes_text(limit)}"


def _about(report: Mapping[str, Any], kind: str) -> str:
    error = report["error"][kind]
    return (
        f"{report['estimated'][kind]:,} (held-out models: off by {error['median']:.1%} in the "
        f"median, {error['largest']:.1%} at most)"
    )


def _layer_table(report: Mapping[str, Any]) -> Table:
    table = make_table(
        *("#", "<layer", "<kind", "<output", "MACs", "weights", "live bytes"),
        *("est. instructions", "est. cycles", "share"),
    )
    total = report["estimated"]["cycles"]
    for index, layer in enumerate(report["layers"]):
        cycles = layer["estimated_cycles"]
        share = cycles / total if total and cycles is not None else None
        table.add_row(
            str(index),
            short_name(layer["name"]),
            layer["kind"],
            "x".join(str(size) for size in layer["output_shape"][1:]),
            f"{layer['macs']:,}" if layer["macs"] else "-",
            f"{layer['weights_bytes']:,}" if layer["weights_bytes"] else "-",
            f"{layer['live_bytes']:,}" + (" peak" if layer["is_peak"] else ""),
            number_text(layer["estimated_instructions"]),
            number_text(cycles),
            "-" if share is None else f"{share:.1%}",
            style="bold" if share is not None and share >= _HOT_SHARE else None,
        )
    return table


def zoo_tables(report: Mapping[str, Any]) -> Group:
    """All cards of the zoo, one in a row."""
    table = make_table(
        *("<model", "<input", "params", "MACs", "arena", "flash", "instructions"),
        *("est. cycles", "<accuracy"),
    )
    for card in report["cards"]:
        table.add_row(
            card["name"],
            "x".join(str(size) for size in card["input_shape"]),
            number_text(card["params"]),
            f"{card['macs']:,}",
            f"{card['arena_bytes']:,}",
            f"{card['flash_bytes']:,}",
            f"{card['instructions']:,}",
            f"{card['estimated_cycles']:,}",
            _accuracy(card),
        )
    made = report["made"]
    note = (
        f"Measured on {made['board']} ({made['emulator']}, {made['toolchain']}): instructions are "
        "exact, cycles an estimate, neither is time. `espalier zoo NAME` shows a card."
    )
    return Group(table, Text(note, style="dim"))


def card_tables(report: Mapping[str, Any]) -> Group:
    """One card, with where its figures come from."""
    card, made = report["card"], report["made"]
    facts = facts_table(f"{card['name']}: {card['what']}")
    if card["builder"] is not None:
        alpha = card["builder"]["alpha"]
        width = "" if alpha is None else f", alpha {alpha}"
        facts.add_row("builder", f"{card['builder']['architecture']}{width}")
    facts.add_row("input", "x".join(str(size) for size in card["input_shape"]))
    facts.add_row("parameters", number_text(card["params"]))
    facts.add_row("MACs", f"{card['macs']:,}")
    facts.add_row("tensor arena", bytes_text(card["arena_bytes"]))
    facts.add_row(
        "flash",
        f"{bytes_text(card['flash_bytes'])} = weights {bytes_text(card['weights_bytes'])} + "
        f"runtime {bytes_text(card['runtime_bytes'])}",
    )
    facts.add_row("RAM", f"{bytes_text(card['ram_bytes'])}: arena, static data and deepest stack")
    facts.add_row("instructions", f"{card['instructions']:,}, exact, on {made['board']}")
    facts.add_row("estimated cycles", f"{card['estimated_cycles']:,}")
    facts.add_row("accuracy", _accuracy(card))
    accuracy = card["accuracy"]
    if accuracy is not None:
        for key in ("data", "split", "seed", "command"):
            facts.add_row(f"  {key}", str(accuracy[key]))
    facts.add_row("measured by", f"{made['made_by']}, {made['toolchain']}, {made['emulator']}")
    facts.add_row("estimated by", card["profile"])
    return Group(facts)


def _accuracy(card: Mapping[str, Any]) -> str:
    accuracy = card["accuracy"]
    if accuracy is None:
        return "not measured"
    return f"{accuracy['value']:.1%} {accuracy['metric']}, {accuracy['data']}"
