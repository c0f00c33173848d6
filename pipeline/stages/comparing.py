"""Runs and deployments read from disk, and held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.artifacts import read_json
from pipeline.errors import ConfigError
from pipeline.report.compare import Subject, compare_report
from pipeline.stages.reporting import check_schema, read_report


def compare(paths: Sequence[Path]) -> dict[str, Any]:
    """Compare runs.

    Args:
        paths: folders of runs, their report.json, or files of `espalier deploy --json`.
    Returns:
        The JSON object of pipeline/report/compare.py.
    Raises:
        ConfigError: fewer than two, or one that is no such thing.
    """
    if len(paths) < 2:
        raise ConfigError(
            f"compare: expected two runs or more. Received: only {paths[0]}. Name another one."
        )
    reports = [_read(path) for path in paths]
    labels = _labels(paths)
    return compare_report(
        [Subject(label=label, report=report) for label, report in zip(labels, reports, strict=True)]
    )


def _read(path: Path) -> Any:
    if path.is_dir():
        return read_report(path)
    report = read_json(path)
    if isinstance(report, dict) and "config" in report:
        check_schema(report, path)
        return report
    if isinstance(report, dict) and {"clock", "layers", "ram", "flash"} <= report.keys():
        return report
    raise ConfigError(
        f"{path}: expected the folder of a run, its report.json, or what `espalier deploy --json` "
        "wrote. Received: another JSON file."
    )


def _labels(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart."""
    wholes = [path.resolve() for path in paths]
    parts = [(whole if whole.is_dir() else whole.with_suffix("")).parts for whole in wholes]
    for length in range(1, max(map(len, parts)) + 1):
        labels = ["/".join(part[-length:]) for part in parts]
        if len(set(labels)) == len(labels):
            return labels
    # The same one twice.
    return [f"{'/'.join(part[-1:])} ({number})" for number, part in enumerate(parts, 1)]
