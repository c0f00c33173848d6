"""The report of a study: its trials, put together over seeds, and which are best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline import __version__
from pipeline.report.activity import duration
from pipeline.report.pareto import pareto_front

SCHEMA_VERSION = 1

# A cost's name in STUDY.toml, and in a trial's record.
COST_KEYS = {
    "params": "params",
    "macs": "macs",
    "arena": "arena_bytes",
    "flash": "flash_bytes",
}
# For people: name, unit, and how many of them make one of that unit.
COST_NAMES = {
    "params": ("parameters", "thousands", 1e3),
    "macs": ("MACs", "millions", 1e6),
    "arena": ("arena", "KiB", 1024.0),
    "flash": ("flash", "KiB", 1024.0),
}
# The method that prunes nothing.
UNPRUNED = "none"
_SIDES = ("validation", "test")


def study_report(
    *,
    name: str,
    mode: str,
    metric: str,
    columns: Sequence[str],
    equal: Mapping[str, Any],
    models: Mapping[str, Any],
    config: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The JSON object of a study; docs/study.md describes every key.

    Args:
        name, mode, metric, columns, equal: of its STUDY.toml.
        models: costs before pruning, by name.
        config: all of STUDY.toml.
        records: of the trials.
    """
    done = [record for record in records if record["status"] == "done"]
    rows = [_row(same, columns) for same in _by_point(done)]
    for model in models:
        _mark_fronts([row for row in rows if row["model"] == model], metric, columns)
    return {
        "schema": SCHEMA_VERSION,
        "pipeline": __version__,
        "name": name,
        "mode": mode,
        "metric": metric,
        "columns": list(columns),
        "equal": dict(equal),
        "models": dict(models),
        "rows": rows,
        "config": dict(config),
        "failed": [dict(record) for record in records if record["status"] == "failed"],
        "trials": [dict(record) for record in done],
    }


def _by_point(records: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Records that differ in their seeds alone, in the order of the first of each."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        point = record["point"]
        same = groups.setdefault(identity_of(point), [])
        # A search may come to the same point again.
        if point["seed"] not in [other["point"]["seed"] for other in same]:
            same.append(record)
    return list(groups.values())


def _row(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, Any]:
    """One point over its seeds."""
    point = records[0]["point"]
    row: dict[str, Any] = {
        "model": point["model"],
        "method": point["method"],
        "label": label_of(point),
        "amount": point["amount"],
        "options": point["options"],
        "seeds": sorted(record["point"]["seed"] for record in records),
        "costs": {
            column: spread([record[COST_KEYS[column]] for record in records]) for column in columns
        },
    }
    for side in _SIDES:
        row[side] = {
            metric: spread([record[side][metric] for record in records])
            for metric in records[0][side]
        }
    row["int8"] = None
    if records[0]["int8"] is not None:
        row["int8"] = {
            side: {
                metric: spread([record["int8"][side][metric] for record in records])
                for metric in records[0]["int8"][side]
            }
            for side in _SIDES
        }
    differences = [record["max_abs_difference"] for record in records]
    row["max_abs_difference"] = max((d for d in differences if d is not None), default=None)
    row["seconds"] = spread([record["seconds"] for record in records])
    row["front"] = {side: [] for side in _SIDES}
    return row


def _mark_fronts(rows: Sequence[dict[str, Any]], metric: str, columns: Sequence[str]) -> None:
    """Name in each row the costs against which it is on the front, and "all" of them together."""
    for side in _SIDES if rows else ():
        for label, costs in (*((column, [column]) for column in columns), ("all", columns)):
            values = [
                [-row[side][metric]["mean"], *(row["costs"][cost]["mean"] for cost in costs)]
                for row in rows
            ]
            for row, best in zip(rows, pareto_front(values), strict=True):
                if best:
                    row["front"][side].append(label)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, smallest and largest."""
    return {"mean": sum(values) / len(values), "min": min(values), "max": max(values)}


def identity_of(point: Mapping[str, Any]) -> str:
    """What a point or a row is apart from its seed."""
    return repr([point[key] for key in ("model", "method", "amount", "options")])


def label_of(point: Mapping[str, Any]) -> str:
    """A method with its options."""
    return " ".join([point["method"], *(f"{k}={v}" for k, v in point["options"].items())])


def amount_of(point: Mapping[str, Any]) -> str:
    """How much a point prunes, in words."""
    if point["amount"] is None:
        return ""
    kind, value = point["amount"]
    words = {"ratio": f"ratio {value}", "keep_params": f"keeps {value} of params"}
    return words.get(kind, str(value))


def point_text(point: Mapping[str, Any]) -> str:
    """All of a point, in words."""
    words = [point["model"], label_of(point), amount_of(point), f"seed {point['seed']}"]
    return ", ".join(filter(None, words))


def trial_line(record: Mapping[str, Any], done: int, total: int, metric: str, left_s: float) -> str:
    """One line on a trial that has just finished."""
    head = f"{done} of {total}: {point_text(record['point'])}"
    if record["status"] == "failed":
        return f"{head}: failed, {record['reason']}"
    costs = [f"{record['params']:,} params", f"{record['macs']:,} MACs"]
    costs += [
        f"{name} {record[COST_KEYS[name]]:,} B"
        for name in ("arena", "flash")
        if record[COST_KEYS[name]] is not None
    ]
    accuracies = f"{record['validation'][metric]:.2%} validation, {record['test'][metric]:.2%} test"
    left = f"; {duration(left_s)} left" if done < total else ""
    return f"{head}: {accuracies}; {', '.join(costs)}; {record['seconds']:.0f} s{left}"
