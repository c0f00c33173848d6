"""Several runs or deployments side by side as one JSON object; docs/report.md describes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import __version__
from pipeline.report.deployment import TICK_NAMES
from pipeline.report.origin import COMPUTED, ESTIMATED, device_origin
from pipeline.report.verdict import at

SCHEMA_VERSION = 1

HIGHER, LOWER = "higher", "lower"
BETTER, WORSE, SAME = "better", "worse", "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is compared.

    Attributes:
        label: for people, unique among the subjects.
        report: of a run (pipeline/report/run.py), or of a deployment.
    """

    label: str
    report: Mapping[str, Any]

    @property
    def is_run(self) -> bool:
        """Whether it is the report of a run."""
        return "config" in self.report

    @property
    def deployment(self) -> Mapping[str, Any]:
        """The deployment's figures; empty where a run did not come to it."""
        return (self.report.get("deployment") if self.is_run else self.report) or {}


@dataclass(frozen=True, slots=True)
class _Figure:
    """A row.

    Attributes:
        section, name: for people.
        keys: where it stands in a deployment's report, or with `of_run` in that of a run.
        unit: "B", "" for counts, "share" for what is in [0, 1].
        better: HIGHER or LOWER.
        origin: of pipeline/report/origin.py; "" is where the device's figures come from.
        of_run: see `keys`.
    """

    section: str
    name: str
    keys: tuple[str, ...]
    unit: str
    better: str
    origin: str
    of_run: bool = False


_ACCURACIES = tuple(
    _Figure(
        *("accuracy", f"{words}, {kind}", ("accuracy", key, name), "share", HIGHER, COMPUTED),
        of_run=True,
    )
    for key, words in (
        ("unpruned", "float, before pruning"),
        ("float", "float"),
        ("int8", "int8"),
    )
    for kind, name in (("accuracy", "plain"), ("balanced", "balanced"))
)
_TICKS = tuple(
    _Figure(
        "device",
        f"{name.replace('_', ' ')} per inference",
        (f"{name}_per_inference", "median"),
        "",
        LOWER,
        "",
    )
    for name in TICK_NAMES.values()
)
_FIGURES = (
    *_ACCURACIES,
    _Figure("model", "MACs", ("model", "macs"), "", LOWER, COMPUTED),
    _Figure(
        *("model", "parameters as trained", ("train", "params"), "", LOWER, COMPUTED),
        of_run=True,
    ),
    _Figure(
        *("model", "parameters after pruning", ("prune", "after", "params"), "", LOWER, COMPUTED),
        of_run=True,
    ),
    _Figure("model", "size of the .tflite", ("model", "tflite_bytes"), "B", LOWER, COMPUTED),
    _Figure("device", "outputs that differ", ("mismatches",), "", LOWER, ""),
    _Figure("device", "accuracy", ("accuracy",), "share", HIGHER, ""),
    _Figure("device", "balanced accuracy", ("balanced_accuracy",), "share", HIGHER, ""),
    *_TICKS,
    _Figure("device", "estimated cycles", ("estimated_cycles", "median"), "", LOWER, ESTIMATED),
    *(
        _Figure("memory", f"RAM: {name}", ("ram", f"{key}_bytes"), "B", LOWER, origin)
        for name, key, origin in (
            ("total", "total", ""),
            ("arena", "arena", COMPUTED),
            ("static", "static", COMPUTED),
            ("stack", "stack_peak", ""),
        )
    ),
    *(
        _Figure("memory", f"flash: {name}", ("flash", f"{name}_bytes"), "B", LOWER, COMPUTED)
        for name in ("total", "weights", "runtime", "harness", "framework")
    ),
)

# What has to be equal for figures to be comparable: words, and where it stands.
_GROUNDS: tuple[tuple[str, Callable[[Subject], Any]], ...] = (
    ("boards", lambda subject: subject.deployment.get("board")),
    ("engines", lambda subject: subject.deployment.get("engine")),
    ("devices", lambda subject: subject.deployment.get("emulator")),
    ("clocks", lambda subject: subject.deployment.get("clock")),
    ("compilers", lambda subject: subject.deployment.get("toolchain")),
    ("data", lambda subject: at(subject.report, "config", "data", "source")),
    ("inputs", lambda subject: subject.deployment.get("inputs_spec")),
    ("numbers of inputs", lambda subject: subject.deployment.get("inputs")),
    ("seeds", lambda subject: at(subject.report, "config", "run", "seed")),
)


def compare_report(subjects: Sequence[Subject]) -> dict[str, Any]:
    """Put figures side by side, each against that of the first subject.

    Args:
        subjects: at least two.
    """
    return {
        "schema": SCHEMA_VERSION,
        "pipeline": __version__,
        "subjects": [_identity(subject) for subject in subjects],
        "warnings": _warnings(subjects),
        "rows": [row for figure in _FIGURES if (row := _figure_row(figure, subjects))],
        "gates": _gates(subjects),
        "kinds": _kinds(subjects),
        "layers": _layers(subjects),
    }


def _identity(subject: Subject) -> dict[str, Any]:
    deployment = subject.deployment
    return {
        "label": subject.label,
        "kind": "run" if subject.is_run else "deployment",
        "model_sha256": at(deployment, "model", "sha256"),
        "board": deployment.get("board"),
        "engine": deployment.get("engine"),
        "device": deployment.get("emulator"),
        "clock": deployment.get("clock"),
        "data": at(subject.report, "config", "data", "source"),
    }


def _warnings(subjects: Sequence[Subject]) -> list[str]:
    """Why figures may not be comparable."""
    found = []
    for words, value_of in _GROUNDS:
        values = [value_of(subject) for subject in subjects]
        if len({str(value) for value in values if value is not None}) > 1:
            told = (
                f"{subject.label}: {value}"
                for subject, value in zip(subjects, values, strict=True)
                if value is not None
            )
            found.append(f"Different {words}: {', '.join(told)}.")
    return found


def _figure_row(figure: _Figure, subjects: Sequence[Subject]) -> dict[str, Any] | None:
    values = [
        at(subject.report if figure.of_run else subject.deployment, *figure.keys)
        for subject in subjects
    ]
    if all(value is None for value in values):
        return None
    facts = {
        "section": figure.section,
        "key": "/".join(figure.keys),
        "origins": [figure.origin or device_origin(subject.deployment) for subject in subjects],
    }
    return {**facts, **_row(figure.name, values, figure.unit, figure.better)}


def _row(
    name: str, values: Sequence[float | None], unit: str, better: str = LOWER
) -> dict[str, Any]:
    """A row: `changes` against the first value, in percent; of shares in percentage points."""
    first = values[0]
    changes = [_change(first, value, unit) for value in values]
    changes[0] = None
    verdicts = [None if change is None else _judge(change, better) for change in changes]
    if unit != "share":
        # From nothing to something there is no percentage, but a direction.
        verdicts = [
            _judge(float(value), better) if first == 0 and value and index else verdict
            for index, (value, verdict) in enumerate(zip(values, verdicts, strict=True))
        ]
    return {
        "name": name,
        "unit": unit,
        "better": better,
        "values": list(values),
        "changes": changes,
        "verdicts": verdicts,
    }


def _change(first: float | None, value: float | None, unit: str) -> float | None:
    if first is None or value is None:
        return None
    if unit == "share":
        return 100 * (value - first)
    if first == 0:
        return 0.0 if value == 0 else None
    return 100 * (value - first) / first


def _judge(change: float, better: str) -> str:
    if change == 0:
        return SAME
    return BETTER if (change > 0) == (better == HIGHER) else WORSE


def _gates(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """The state of every gate; None where a subject has none of that name."""
    titles: dict[str, str] = {}
    for subject in subjects:
        titles |= {gate["id"]: gate["title"] for gate in subject.report.get("gates", ())}
    states = [
        {gate["id"]: gate["state"] for gate in subject.report.get("gates", ())}
        for subject in subjects
    ]
    return [
        {"id": identity, "name": title, "states": [found.get(identity) for found in states]}
        for identity, title in titles.items()
    ]


def _ticks(subjects: Sequence[Subject]) -> str | None:
    """What all devices count, as keys spell it; None where they count different things."""
    clocks = {str(subject.deployment.get("clock")) for subject in subjects}
    return TICK_NAMES.get(clocks.pop()) if len(clocks) == 1 else None


def _kinds(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """Ticks by operator, which any two models have in common."""
    ticks = _ticks(subjects)
    if ticks is None:
        return []
    sums: list[dict[str, int]] = []
    for subject in subjects:
        found: dict[str, int] = {}
        for layer in subject.deployment["layers"]:
            found[layer["kind"]] = found.get(layer["kind"], 0) + layer[ticks]
        sums.append(found)
    kinds = dict.fromkeys(kind for found in sums for kind in found)
    origins = [device_origin(subject.deployment) for subject in subjects]
    return [
        {"origins": origins, **_row(kind, [found.get(kind) for found in sums], ticks)}
        for kind in kinds
    ]


def _layers(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """Ticks by layer, where all models have the same operators in the same order."""
    ticks = _ticks(subjects)
    if ticks is None:
        return []
    stacks = [subject.deployment["layers"] for subject in subjects]
    if len({tuple(layer["kind"] for layer in stack) for stack in stacks}) != 1:
        return []
    origins = [device_origin(subject.deployment) for subject in subjects]
    return [
        {
            "index": index,
            "origins": origins,
            "kind": layers[0]["kind"],
            "macs": [layer["macs"] for layer in layers],
            **_row(layers[0]["name"], [layer[ticks] for layer in layers], ticks),
        }
        for index, layers in enumerate(zip(*stacks, strict=True))
    ]
