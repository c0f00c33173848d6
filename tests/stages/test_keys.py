"""What makes a stage stale is named by what there is."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from pipeline.artifacts import StageKey
from pipeline.stages import keys
from pipeline.stages.keys import stage_key

STAGES = sorted(keys._CODE)


def key(stage: str, seed: int = 0, **config: object) -> StageKey:
    return stage_key(stage, inputs={"model": "abc"}, config=config, seed=seed)


@pytest.mark.parametrize("stage", STAGES)
def test_its_code_is_there(stage: str) -> None:
    # A name that is gone would hash as nothing, and changes of its successor would go unseen.
    assert [name for name in keys._CODE[stage] if not (keys._PACKAGE / name).exists()] == []


@pytest.mark.parametrize("stage", STAGES)
def test_its_tools_are_packages(stage: str) -> None:
    assert all(version(name) for name in keys._TOOLS.get(stage, ()))


def test_a_key_follows_settings_seed_and_stage() -> None:
    assert key("plan", board="a") == key("plan", board="a")
    others = (key("plan", board="b"), key("plan", seed=1, board="a"), key("generate", board="a"))
    assert key("plan", board="a") not in others


@pytest.mark.parametrize(("stage", "depends"), [("build", True), ("generate", False)])
def test_firmware_makes_builds_stale_only(
    stage: str, depends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(stage)
    monkeypatch.setattr(keys, "firmware_path", lambda: keys._PACKAGE / "ops")
    assert (key(stage) != before) is depends
