"""Whether the run holds what was asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.report.html.sections.base import Section
from pipeline.report.html.shown import Facts, Shown, pointer
from pipeline.report.verdict import FAILED, OPEN, PASSED, verdict

_WORDS = {PASSED: "passed", FAILED: "failed", OPEN: "no limit"}


def section(facts: Facts, pictures: Mapping[str, str]) -> Section:
    """Every gate with a sentence, and a bar where there is a limit to fill."""
    gates = facts.get("gates")
    return Section(
        id="verdict",
        title="Verdict",
        view={
            "state": verdict(gates),
            "headline": _headline(gates),
            "ended": facts.get("failure", "message"),
            "gates": [_gate(index, gate) for index, gate in enumerate(gates)],
        },
    )


def _headline(gates: list[Any]) -> str:
    judged = [gate for gate in gates if gate["state"] != OPEN]
    failed = [gate for gate in judged if gate["state"] == FAILED]
    if not judged:
        return "Nothing was asked of this run."
    if failed:
        names = ", ".join(gate["title"] for gate in failed)
        return f"{len(failed)} of {len(judged)} gates failed: {names}."
    return f"All {len(judged)} gates passed." if len(judged) > 1 else "The only gate passed."


def _gate(index: int, gate: Mapping[str, Any]) -> dict[str, Any]:
    value, limit = gate["value"], gate["limit"]
    share = value / limit if limit and value is not None and value >= 0 else None
    return {
        "title": gate["title"],
        "state": gate["state"],
        "word": _WORDS[gate["state"]],
        "sentence": gate["sentence"],
        "value": Shown(_text(value), pointer(("gates", index, "value")), repr(value)),
        "bar": None if share is None else f"{min(share, 1):.2%}",
        "percent": None if share is None else f"{share:.1%}",
    }


def _text(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
