"""No model gets slower or larger unnoticed: figures against tests/golden/pins.json."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.artifacts import read_json
from pipeline.report.progress import Reporter
from tests import pins
from tests.shared import shared_path

_NEEDS = {
    "gcc": pytest.mark.needs("arm-none-eabi-gcc", "qemu-system-arm"),
    "zig": pytest.mark.needs("ziglang", "unicorn"),
}
Record = Callable[[str, object], None]


@pytest.mark.slow
@pytest.mark.emulator
@pytest.mark.parametrize("name", pins.MODELS)
@pytest.mark.parametrize("compiler", [pytest.param(c, marks=_NEEDS[c]) for c in pins.WAYS])
def test_figures_stay_and_outputs_agree(
    name: str, compiler: str, tmp_path: Path, record_property: Record
) -> None:
    path = pins.model_path(name, tmp_path)
    if not path.exists():
        shared_path(f"models/{path.name}")
    report = pins.measure(path, compiler, Reporter(quiet=True))
    assert report["mismatches"] == 0
    pinned = read_json(pins.PINS)["pins"].get(report["toolchain"])
    if pinned is None:
        pytest.skip(f"no pins for {report['toolchain']}: outputs agree, figures are not compared")
    rises, falls = pins.changes(pinned[name], pins.figures(report))
    where = f"{name}, {report['toolchain']}"
    assert not rises, (
        f"{where}: {'; '.join(rises)}. Find out why; if it is meant, run `make pin` and say so in "
        "CHANGELOG.md."
    )
    if falls:
        # tests/conftest.py shows it at the end.
        record_property("improved", f"{where}: {'; '.join(falls)}")


def test_every_model_is_pinned_for_every_compiler() -> None:
    pinned = read_json(pins.PINS)["pins"]
    assert len(pinned) == len(pins.WAYS)
    for models in pinned.values():
        assert tuple(models) == pins.MODELS


@pytest.mark.parametrize(
    ("before", "after", "rises", "falls"),
    [
        (1_000_000, 1_010_000, 0, 0),
        (1_000_000, 1_010_040, 1, 0),
        (1_000_000, 989_000, 0, 1),
        (1_000, 1_040, 0, 0),
        (1_000, 1_080, 1, 0),
    ],
)
def test_a_rise_above_one_percent_is_seen(before: int, after: int, rises: int, falls: int) -> None:
    rose, fell = pins.changes({"instructions": before}, {"instructions": after})
    assert (len(rose), len(fell)) == (rises, falls)


def test_bytes_have_no_slack_but_the_share() -> None:
    rose, _ = pins.changes({"ram_bytes": 1000}, {"ram_bytes": 1011})
    assert rose == ["ram_bytes 1,000 -> 1,011 (+1.1%)"]
