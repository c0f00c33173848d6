"""Reports and comparisons from run folders, without anything being trained or built."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import cli
from pipeline.artifacts import RunFolder, StageKey, write_json
from pipeline.config import RunConfig
from pipeline.device.board import load_board
from pipeline.errors import ConfigError, DoesNotFitError
from pipeline.report.progress import Reporter
from pipeline.stages import compare, page_of, read_report, running
from pipeline.stages.firmware import Stages, Target
from pipeline.stages.reporting import Made, write_report
from tests.report import fake_run

KEY = StageKey(inputs={"data": "x"}, config={}, code="c0", tools={}, seed=1)


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    target = Target(board=load_board("mps2_an386"))
    folder = RunFolder(tmp_path / "tiny-1.5")
    return Stages(folder, target, Reporter(quiet=True), command="espalier run tiny")


def made(stages: Stages) -> Made:
    """A run that came to its int8 model."""

    def quantized(out: Path) -> None:
        write_json(out / "facts.json", fake_run.quantized())
        (name, sample), *_ = fake_run.samples().items()
        np.savez(out / "golden.npz", x=sample[None], y=[1], names=np.array([name]))

    def trained(out: Path) -> None:
        write_json(out / "facts.json", fake_run.trained())

    write = stages.folder.write_stage
    return Made(train=write("train", KEY, trained), quantize=write("quantize", KEY, quantized))


def test_a_run_whose_gate_fails_has_a_report(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(last: str, config: RunConfig, stages: Stages, so_far: Made) -> Path:
        there = made(stages)
        so_far.train, so_far.quantize = there.train, there.quantize
        raise DoesNotFitError("it is too large")

    monkeypatch.setattr(running, "_make", fail)
    with pytest.raises(DoesNotFitError):
        running._run_until("report", RunConfig(), stages)
    report = read_report(stages.folder.root)
    assert report["failure"] == {"message": "it is too large"}
    assert report["gates"][0]["state"] == "failed"
    assert report["deployment"] is None
    page = page_of(stages.folder.root)
    assert "it is too large" in page
    assert page.count('<img src="data:image/png') == 1
    assert page == (stages.folder.root / "report" / "report.html").read_text()


def test_a_stage_alone_writes_no_report(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> Path:
        raise DoesNotFitError("it is too large")

    monkeypatch.setattr(running, "_make", fail)
    with pytest.raises(DoesNotFitError):
        running._run_until("build", RunConfig(), stages)
    assert not (stages.folder.root / "report").exists()


def test_provenance_names_stages_and_settings(stages: Stages) -> None:
    report = write_report(RunConfig(), stages, made(stages))
    provenance = report["provenance"]
    assert [stage["name"] for stage in provenance["stages"]] == ["train", "quantize"]
    assert provenance["stages"][0]["outputs"].keys() == {"facts.json"}
    assert "[train]\nepochs = 0\n" in provenance["settings"]


def test_a_budget_of_the_run_is_a_gate(stages: Stages) -> None:
    section = dataclasses.replace(RunConfig().prune, method="l1", budget="macs=10,accuracy>=0.7")
    config = dataclasses.replace(RunConfig(), prune=section)
    report = write_report(config, stages, made(stages))
    assert report["budget"] == {"limits": {"macs": 10}, "accuracy": 0.7}


def written(path: Path, report: Any) -> Path:
    path.write_text(json.dumps(report))
    return path


def test_folders_and_files_are_compared(stages: Stages, tmp_path: Path) -> None:
    write_report(RunConfig(), stages, made(stages))
    deployed = written(tmp_path / "b.json", fake_run.deployment())
    whole = written(tmp_path / "c.json", fake_run.report())
    report = compare([stages.folder.root, deployed, whole])
    assert [subject["label"] for subject in report["subjects"]] == ["tiny-1.5", "b", "c"]
    assert [subject["kind"] for subject in report["subjects"]] == ["run", "deployment", "run"]


def test_labels_tell_folders_of_one_name_apart(tmp_path: Path) -> None:
    paths = [tmp_path / name / "x.json" for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        written(path, fake_run.deployment())
    assert [s["label"] for s in compare(paths)["subjects"]] == ["a/x", "b/x"]
    assert [s["label"] for s in compare([paths[0], paths[0]])["subjects"]] == ["x (1)", "x (2)"]


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    deployed = written(tmp_path / "a.json", fake_run.deployment())
    other = written(tmp_path / "b.json", {"rows": []})
    old = written(tmp_path / "c.json", {"schema": 1, "config": {}})
    for paths, words in (
        ([deployed], "expected two runs or more"),
        ([deployed, other], "Received: another JSON file"),
        ([deployed, old], "expected a report of schema 2. Received: 1"),
        ([deployed, tmp_path], "expected the folder of a finished run"),
    ):
        with pytest.raises(ConfigError, match=words):
            compare(paths)


def test_the_verbs(stages: Stages, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report(RunConfig(), stages, made(stages))
    run, page, junit = str(stages.folder.root), tmp_path / "p.html", tmp_path / "j.xml"
    for arguments, words in (
        (("report", run, "--html", str(page), "--junit", str(junit)), "Accuracy of int8"),
        (("compare", run, run, "--html", str(tmp_path / "c.html")), "float, accuracy"),
        (("compare", run, run, "--json", "-"), '"verdicts"'),
    ):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        assert caught.value.code == 0
        assert words in capsys.readouterr().out
    assert page.read_text() == page_of(stages.folder.root)
    assert "<testsuites" in junit.read_text()
    assert "Espalier comparison" in (tmp_path / "c.html").read_text()
    with pytest.raises(SystemExit) as caught:
        cli.main(("report", run, "--html", str(tmp_path / "none" / "p.html")))
    assert caught.value.code == 2
    assert "its folder does not exist" in capsys.readouterr().err
