"""What verbs print and write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.errors import ConfigError, MismatchError


def show(report: Any, json_path: Path | None, tables: Callable[[Any], Any]) -> None:
    """Print tables, or JSON for "-"; write JSON to any other path."""
    import json

    from pipeline.report.tables import print_tables

    text = json.dumps(report, indent=2)
    if str(json_path) == "-":
        click.echo(text)
        return
    print_tables(tables(report))
    if json_path is not None:
        write_text("--json", json_path, text + "\n")


def write_text(option: str, path: Path, text: str) -> None:
    """Write a file that an option names.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{option} {path}: cannot be written: {error}") from error


def check_writable(path: Path | None) -> None:
    """Refuse an output path before minutes of work rather than after."""
    if path is not None and str(path) != "-" and not path.resolve().parent.is_dir():
        raise ConfigError(f"{path}: its folder does not exist. Make it first.")


def require_match(report: Any) -> None:
    """Raise MismatchError unless every output of a deployment was the reference's."""
    if report["mismatches"]:
        advice = "Compare them with --outputs; please report the model as a bug."
        if report["engine"] == "tflm":
            advice = (
                "TensorFlow Lite Micro rounds FULLY_CONNECTED twice, TFLite once: small "
                "differences are its own (docs/tflm.md). Use --engine aot for equal outputs."
            )
        raise MismatchError(
            f"{report['mismatches']} of {report['inputs']} outputs of {report['model']['name']} on "
            f"{report['emulator']} differ from TFLite's reference kernels. Expected: none. "
            f"{advice}"
        )
