"""What quantization costs, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.report.low_bit_table import add_low_bit_rows, low_bit_layers
from pipeline.report.tables import bytes_text, facts_table, make_table, percent_text, short_name


def quantize_tables(report: Mapping[str, Any]) -> Group:
    """A quantized model: float against int8 on the test samples; its layers where asked for."""
    facts = facts_table(report["model"])
    facts.add_row("size of the .tflite", bytes_text(report["tflite_bytes"]))
    facts.add_row("calibration", f"{report['calibration_samples']:,} training samples")
    for name, accuracy in report["accuracy"].items():
        facts.add_row(
            f"accuracy, {name}",
            f"{percent_text(accuracy['plain'])}, balanced {percent_text(accuracy['balanced'])}",
        )
    samples = report["accuracy"]["int8"]["samples"]
    facts.add_row("change their class", f"{report['flipped']:,} of {samples:,} test samples")
    facts.add_row("outputs", f"{report['sqnr_db']:.1f} dB signal to quantization noise")
    parts: list[RenderableType] = [facts]
    if report["low_bit"] is not None:
        add_low_bit_rows(facts, report["low_bit"])
        parts.append(low_bit_layers(report["low_bit"]))
    if report["layers"] is not None:
        parts += [_layer_table(report), Text(report["advice"])]
    return Group(*parts)


def variant_tables(report: Mapping[str, Any]) -> Group:
    """All variants of quantization after training: validation, which chooses, and test."""
    table = make_table(
        *("<ranges", "<repairs"),
        *("validation", "balanced", "flipped", "dB"),
        *("test", "balanced", "flipped", "dB"),
    )
    table.title = f"{report['model']}, calibrated with {report['calibration_samples']:,} samples"
    table.title_justify = "left"
    sides = ("validation", "test")
    accuracies = [_side_cells(report["float"][side]) for side in sides]
    table.add_row("float", "", *(cell for cells in accuracies for cell in cells))
    for row in report["variants"]:
        ranges, _, repairs = row["label"].partition(", ")
        cells = [cell for side in sides for cell in _side_cells(row[side])]
        style = "bold" if row["label"] == report["chosen"] else None
        table.add_row(ranges, repairs or "-", *cells, style=style)
    counts = [report["float"][side]["samples"] for side in sides]
    return Group(
        table,
        Text(
            f"{counts[0]:,} validation and {counts[1]:,} test samples. Chosen on validation: "
            f"{report['chosen']}, the closest to float within {100 * report['noise']:.2f} "
            "points of the best; smaller differences are noise. Nothing is chosen on test samples."
        ),
    )


def parity_tables(report: Mapping[str, Any]) -> Group:
    """One model on the same inputs everywhere."""
    table = make_table("<where", "differ", "largest difference", "<CRC-32 of outputs", "<")
    table.title = f"{report['model']}, {report['samples']:,} inputs ({report['inputs']})"
    table.title_justify = "left"
    for row in report["rows"]:
        note = row["reason"]
        if row["same_class"] is not None:
            note = f"{row['same_class']:,} of {report['samples']:,} in the class of int8"
        largest = row["largest_difference"]
        table.add_row(
            row["name"],
            "-" if row["mismatches"] is None else f"{row['mismatches']:,}",
            "-" if largest is None else f"{largest:.4g}",
            row["crc32"] or "-",
            note,
            style="bold red" if row["engine"] and (row["mismatches"] or note) else None,
        )
    return Group(
        table,
        Text(
            "Differing inputs and differences against TFLite's reference kernels: of int8 in "
            "steps, of float in real values.",
            style="dim",
        ),
    )


def _side_cells(side: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return (
        percent_text(side["plain"]),
        percent_text(side["balanced"]),
        f"{side['flipped']:,}" if "flipped" in side else "",
        f"{side['sqnr_db']:.1f}" if "sqnr_db" in side else "",
    )


def _layer_table(report: Mapping[str, Any]) -> Table:
    table = make_table(
        "<layer", "<kind", "dB", "own dB", "cosine", "saturated", "levels used", "<worst channels"
    )
    for layer in report["layers"]:
        own = layer["isolated_sqnr_db"]
        table.add_row(
            short_name(layer["layer"]),
            layer["kind"],
            f"{layer['sqnr_db']:.1f}",
            "-" if own is None else f"{own:.1f}",
            f"{layer['cosine']:.5f}",
            f"{layer['saturated']:.2%}",
            f"{layer['range_used']:.0%}",
            ", ".join(f"{index} ({value:.0f} dB)" for index, value in layer["worst_channels"]),
        )
    return table
