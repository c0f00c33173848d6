"""Where the figures come from, and how to make them again."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.report.html.sections.base import Section
from pipeline.report.html.shown import Facts

_TITLE = "Provenance"


def section(facts: Facts, pictures: Mapping[str, str]) -> Section:
    """Versions, hashes, seeds and settings."""
    provenance = facts.get("provenance")
    model = facts.get("deployment", "model") or facts.get("plan", "model") or {}
    known = [
        ("Pipeline", f"Espalier {facts.get('pipeline')}"),
        ("Commit", facts.get("provenance", "commit")),
        ("Seed", facts.get("config", "run", "seed")),
        ("Model, sha256", model.get("sha256")),
        ("Board", _board(facts)),
        ("Engine", facts.get("deployment", "engine")),
        ("Device", facts.get("deployment", "emulator")),
        ("Compiler", facts.get("deployment", "toolchain")),
        ("Build", facts.get("deployment", "build_id")),
        ("Inputs", facts.get("deployment", "inputs_spec")),
    ]
    stages = facts.get("provenance", "stages") or []
    return Section(
        id="provenance",
        title=_TITLE,
        view={
            "known": [(name, str(value)) for name, value in known if value is not None],
            "command": facts.get("provenance", "command"),
            "settings": facts.get("provenance", "settings"),
            "stages": stages,
            "why": ""
            if provenance
            else "Made from one deployment: there are no stages with hashes to list.",
        },
    )


def _board(facts: Facts) -> str | None:
    name = facts.get("board", "name") or facts.get("deployment", "board")
    about = facts.get("board", "description")
    return f"{name}: {about}" if about else name
