"""Reports as tables on a terminal. They take the JSON objects, so that both always agree."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

# Layers below this share of all ticks are not worth a colour.
_HOT_SHARE = 0.15

# Without a terminal nothing is cut: the widest table, the bench's, fits.
_PLAIN_WIDTH = 200

_FITS = {"yes": "green", "no": "bold red", "unknown": "yellow"}

_CLOCK_NOTES = {
    "instructions": "Instructions are exact and repeatable; they are no cycles and no time.",
    "cycles": "Cycles of the board's own counter.",
    "microseconds": "Microseconds of the board's own timer.",
    "host": "Ticks of this computer's clock: they say nothing about a microcontroller.",
}

_ESTIMATE_NOTE = "Estimated cycles: by the published timings of the core, not measured."


def print_tables(*parts: RenderableType) -> None:
    """Print to standard output; as plain text, never cut, where that is not a terminal."""
    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        for part in parts:
            console.print(part)
        return
    plain = Console(highlight=False, markup=False, width=_PLAIN_WIDTH, color_system=None)
    with plain.capture() as capture:
        for part in parts:
            plain.print(part)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def deployment_tables(report: Mapping[str, Any], *, with_layers: bool = True) -> Group:
    """The figures of one deployment, and its layers."""
    facts = facts_table(f"{report['model']['name']} on {report['board']}")
    model = report["model"]
    facts.add_row("model", f"{model['macs']:,} MACs, .tflite of {model['tflite_bytes']:,} bytes")
    facts.add_row("firmware", f"{report['engine']}, {report['toolchain']}, {report['build_id']}")
    facts.add_row("ran on", report["emulator"])
    facts.add_row("mismatches", _mismatches(report))
    if report["accuracy"] is not None:
        right = f"{report['right']:,} of {report['inputs']:,} right"
        facts.add_row("accuracy", f"{percent_text(report['accuracy'])}, {right}")
        facts.add_row("balanced accuracy", percent_text(report["balanced_accuracy"]))
    ticks = ticks_name(report)
    facts.add_row(f"{_words(ticks)} per inference", _spread(report[f"{ticks}_per_inference"]))
    if report["estimated_cycles"] is not None:
        estimate = f"about {_spread(report['estimated_cycles'])}, {_wait_states(report)}"
        facts.add_row("estimated cycles", estimate)
    ram, flash = report["ram"], report["flash"]
    facts.add_row(
        "RAM",
        f"{bytes_text(ram['total_bytes'])} = arena {bytes_text(ram['arena_bytes'])} + static "
        f"{bytes_text(ram['static_bytes'])} + stack {bytes_text(ram['stack_peak_bytes'])}",
    )
    framework = flash["framework_bytes"]
    facts.add_row(
        "flash",
        f"{bytes_text(flash['total_bytes'])} = weights {bytes_text(flash['weights_bytes'])} "
        f"+ runtime {bytes_text(flash['runtime_bytes'])} "
        f"+ harness {bytes_text(flash['harness_bytes'])}"
        + (f" + framework {bytes_text(framework)}" if framework else ""),
    )
    channels_row(facts, report["constant_channels"])
    parts: list[RenderableType] = [facts]
    if with_layers:
        parts.append(_layer_table(report, ticks))
    parts.append(Text(_CLOCK_NOTES[report["clock"]], style="dim"))
    if report["estimated_cycles"] is not None:
        parts.append(Text(_ESTIMATE_NOTE, style="dim"))
    return Group(*parts)


def plan_tables(report: Mapping[str, Any]) -> Group:
    """The memory plan of a model: sizes, layers, and where each buffer lies."""
    model = report["model"]
    facts = facts_table(model["name"])
    for direction in ("inputs", "outputs"):
        for tensor in report[direction]:
            shape = " x ".join(str(size) for size in tensor["shape"])
            facts.add_row(direction[:-1], f"{tensor['dtype']} [{shape}]")
    facts.add_row("size of the .tflite", bytes_text(model["tflite_bytes"]))
    facts.add_row("MACs", f"{model['macs']:,}")
    facts.add_row("weights", bytes_text(report["weights_bytes"]))
    bound = report["lower_bound_bytes"]
    arena = bytes_text(report["arena_bytes"])
    facts.add_row("arena", f"{arena} (largest live set, the lower bound: {bytes_text(bound)})")
    facts.add_row("scratch in the arena", bytes_text(report["scratch_bytes"]))
    if "board" in report:
        board = report["board"]
        facts.add_row(
            f"{board['name']} has",
            f"RAM {bytes_text(board['ram_bytes'])}, flash {bytes_text(board['flash_bytes'])}",
        )
    facts.add_row("steps", f"{len(report['steps']):,} of {len(report['layers'])} layers")
    channels = report["constant_channels"]
    channels_row(facts, channels)
    if report["folded_padding"]:
        names = ", ".join(short_name(pad["name"]) for pad in report["folded_padding"])
        facts.add_row("padding done by its readers", names)
    removed = [channels_table(channels)] if channels and channels["removed"] else []
    layers = make_table("#", "<layer", "<kind", "<output", "MACs", "steps", "live bytes")
    for index, layer in enumerate(report["layers"]):
        layers.add_row(
            str(index),
            short_name(layer["name"]),
            layer["kind"],
            "x".join(str(size) for size in layer["output_shape"]),
            f"{layer['macs']:,}",
            f"{layer['steps']:,}",
            f"{layer['live_bytes']:,}",
        )
    places = make_table("offset", "bytes", "rows", "<steps", "<buffer")
    for place in report["placements"]:
        name = ", ".join(short_name(name) for name in place["tensors"])
        places.add_row(
            f"{place['offset_bytes']:,}",
            f"{place['size_bytes']:,}",
            "all" if place["ring"] is None else f"{place['ring']:,}",
            _alive(place["extents"], len(report["steps"])),
            name or f"scratch of layer {place['scratch_of']}",
        )
    return Group(facts, *removed, layers, places)


def channels_table(channels: Mapping[str, Any]) -> Table:
    """The layers that channels went from."""
    table = make_table(
        "<layer", "<kind", "channels", "constant", "removed", "MACs", "left", "weight bytes", "left"
    )
    for layer in (*channels["layers"], {**channels, "name": "all layers", "kind": ""}):
        table.add_row(
            short_name(layer["name"]),
            layer["kind"],
            *(f"{layer[key]:,}" for key in ("channels", "constant", "removed")),
            *(f"{layer[key]:,}" for key in ("macs_before", "macs")),
            *(f"{layer[key]:,}" for key in ("weight_bytes_before", "weight_bytes")),
        )
    return table


def channels_row(facts: Table, channels: Mapping[str, Any] | None) -> None:
    """What became of constant channels, in one line."""
    if channels is None:
        facts.add_row("constant channels", "left in")
        return
    text = f"{channels['removed']:,} of {channels['channels']:,} channels removed"
    if channels["removed"]:
        text += (
            f", MACs {channels['macs_before']:,} -> {channels['macs']:,}, "
            f"weights {bytes_text(channels['weight_bytes_before'])} -> "
            f"{bytes_text(channels['weight_bytes'])}"
        )
    facts.add_row("constant channels", text)


def _alive(extents: Sequence[tuple[int, int, int]], num_steps: int) -> str:
    """First and last step at which a buffer has occupied bytes."""
    first = extents[0][0]
    ended = extents[-1][0] - 1 if extents[-1][1] == extents[-1][2] else num_steps - 1
    return f"{'input' if first < 0 else first} - {ended}"


def prune_tables(report: Mapping[str, Any]) -> Group:
    """A pruned model: costs before and after, the width of each group, and what is locked."""
    before, after = report["before"], report["after"]
    facts = before_and_after_table(f"{report['model']}, {report['method']}", report)
    for label, key in (
        ("accuracy", "accuracy"),
        ("balanced accuracy", "balanced_accuracy"),
        ("average precision", "average_precision"),
    ):
        if before[key] is not None and after[key] is not None:
            facts.add_row(label, percent_text(before[key]), percent_text(after[key]), "")
    parts: list[RenderableType] = [facts]
    if report["deployed"]:
        parts.append(deployed_table(report["deployed"]))
    groups = make_table("<group", "<layers", "before", "after")
    for group in report["groups"]:
        layers = list(dict.fromkeys(member["layer"] for member in group["members"]))
        more = f" and {len(layers) - 1} more" if len(layers) > 1 else ""
        kept, channels = len(group["kept"]), group["channels"]
        style = "dim" if kept == channels else None
        groups.add_row(
            short_name(group["name"]),
            short_name(layers[0]) + more,
            f"{channels:,}",
            f"{kept:,}",
            style=style,
        )
    parts.append(groups)
    if report["locked"]:
        locks = make_table("<kept whole", "<because")
        for lock in report["locked"]:
            locks.add_row(short_name(lock["layer"]), lock["reason"])
        parts.append(locks)
    for item in report["shortfalls"]:
        text = f"{item['group']}: {item['wanted']} wanted, {item['kept']} kept: {item['reason']}"
        parts.append(Text(text, style="yellow"))
    parts += [Text(note) for note in report["notes"]]
    proof = f"largest difference from the masked original: {report['max_abs_difference']:.2g}"
    return Group(*parts, Text(proof, style="dim"))


def fine_tuning_text(epochs: int) -> str:
    """How long a pruned model was fine-tuned."""
    count = "no" if not epochs else "1 epoch of" if epochs == 1 else f"{epochs:,} epochs of"
    return f"{count} fine-tuning"


def before_and_after_table(title: str, report: Mapping[str, Any]) -> Table:
    """What a pruned model costs beside what the one before does."""
    before, after = report["before"], report["after"]
    table = make_table(f"<{title}", "before", "after", "left")
    for label, key in (
        ("parameters", "params"),
        ("MACs", "macs"),
        ("peak activations, bytes", "peak_activation_bytes"),
    ):
        left = f"{after[key] / before[key]:.1%}" if before[key] else "-"
        table.add_row(label, number_text(before[key]), number_text(after[key]), left)
    return table


def deployed_table(deployed: Mapping[str, Any]) -> Table:
    """Whether a pruned model fits a board, and what it takes of it."""
    table = facts_table(f"On {deployed['board']}")
    fits = {True: "yes", False: "no", None: "unknown"}[deployed["fits"]]
    reason = deployed["reason"]
    table.add_row("fits", Text(f"{fits}: {reason}" if reason else fits, style=_FITS[fits]))
    if "ram_bytes" in deployed:
        worked_out = f"worked out as on {deployed.get('overhead_of')}"
        table.add_row("sizes", "built and run" if deployed["measured"] else worked_out)
        arena, weights = bytes_text(deployed["arena_bytes"]), bytes_text(deployed["weights_bytes"])
        table.add_row("RAM", f"{bytes_text(deployed['ram_bytes'])}, arena {arena}")
        table.add_row("flash", f"{bytes_text(deployed['flash_bytes'])}, weights {weights}")
    return table


def board_tables(report: Mapping[str, Any]) -> Table:
    """The boards."""
    table = make_table("<board", "<what", "<core", "flash", "RAM", "<runs on")
    for board in report["boards"]:
        table.add_row(
            board["name"],
            board["description"],
            board["core"],
            _limit(board["flash_bytes"]),
            _limit(board["ram_bytes"]),
            ", ".join(
                [*board["emulators"], *(["itself (espalier flash)"] if board["upload"] else [])]
            ),
        )
    return table


def ticks_name(report: Mapping[str, Any]) -> str:
    """The unit in which a deployment's report counts, as its keys spell it."""
    return "host_ticks" if report["clock"] == "host" else str(report["clock"])


def facts_table(title: str) -> Table:
    """A table of names and values, without lines."""
    table = Table(box=None, show_header=False, title=title, title_justify="left")
    table.title_style = "bold"
    table.add_column(style="dim")
    table.add_column()
    return table


def make_table(*columns: str) -> Table:
    """A table of figures; a name that starts with "<" is a column of words."""
    table = Table(box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name.removeprefix("<"), justify="left" if name[0] == "<" else "right")
    return table


def _layer_table(report: Mapping[str, Any], ticks: str) -> Table:
    unit = _words(ticks)
    estimated = report["estimated_cycles"] is not None
    extra = ("estimated cycles",) if estimated else ()
    table = make_table("#", "<layer", "<kind", "MACs", unit, f"{unit}/MAC", "share", *extra)
    total = sum(layer[ticks] for layer in report["layers"]) or 1
    for index, layer in enumerate(report["layers"]):
        count, macs = layer[ticks], layer["macs"]
        table.add_row(
            str(index),
            short_name(layer["name"]),
            layer["kind"],
            f"{macs:,}" if macs else "-",
            f"{count:,}",
            f"{count / macs:.1f}" if macs else "-",
            f"{count / total:.1%}",
            *((f"{layer['estimated_cycles']:,}",) if estimated else ()),
            style="bold" if count / total >= _HOT_SHARE else None,
        )
    return table


def _mismatches(report: Mapping[str, Any]) -> Text:
    count, samples = report["mismatches"], report["inputs"]
    text = f"{count:,} of {samples:,} outputs differ from the reference"
    return Text(text, style="bold red" if count else "green")


def _spread(spread: Mapping[str, int]) -> str:
    if spread["min"] == spread["max"]:
        return f"{spread['median']:,}"
    return f"{spread['median']:,} (smallest {spread['min']:,}, largest {spread['max']:,})"


def _wait_states(report: Mapping[str, Any]) -> str:
    count = report["flash_wait_states"]
    return f"flash with {count or 'no'} wait state{'' if count == 1 else 's'}"


def _words(key: str) -> str:
    return key.replace("_", " ")


def bytes_text(value: int | None) -> str:
    """A size with thousands separated."""
    return "unknown" if value is None else f"{value:,} B"


def _limit(value: int | None) -> str:
    return "no limit" if value is None else f"{value:,} B"


def number_text(value: int | None) -> str:
    """A count with thousands separated, or a dash for one that is not known."""
    return "-" if value is None else f"{value:,}"


def percent_text(share: float) -> str:
    """A share in percent."""
    return f"{share:.2%}"


def short_name(name: str, limit: int = 44) -> str:
    """The end of a long name, which tells more than its beginning.

    TFLite joins the names of tensors that it fused with semicolons; the first one is enough.
    """
    name = name.split(";")[0]
    return name if len(name) <= limit else "..." + name[3 - limit :]
