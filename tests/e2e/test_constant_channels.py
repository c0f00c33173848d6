"""Constant channels on the command line: gone by default, left in on request, slim as a file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.plan.constant_channels import remove
from pipeline.plan.constant_channels.choose import Choice
from pipeline.plan.constant_channels.intervals import Reach
from pipeline.plan.constant_channels.rewrite import rewrite
from pipeline.records import Graph
from pipeline.reference import ReferenceModel
from tests.command_line import espalier
from tests.small_models import dead_network


def run(*arguments: str) -> int:
    return espalier("-q", *arguments)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "dead.tflite"
    path.write_bytes(dead_network())
    return path


def test_a_plan_shows_what_went(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", model.name) == 0
    assert "2 of 6 channels removed" in capsys.readouterr().out
    assert run("plan", model.name, "--json", "-") == 0
    slim = json.loads(capsys.readouterr().out)
    assert run("plan", model.name, "--json", "-", "--keep-constant-channels") == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["constant_channels"] is None
    channels = slim["constant_channels"]
    assert (channels["macs_before"], channels["macs"]) == (
        whole["model"]["macs"],
        slim["model"]["macs"],
    )
    assert channels["layers"][0]["removed"] == 2
    assert slim["weights_bytes"] < whole["weights_bytes"]
    assert slim["model"]["sha256"] == whole["model"]["sha256"]


def test_generated_sources_say_so(model: Path) -> None:
    assert run("generate", model.name, "--out", "slim") == 0
    assert run("generate", model.name, "--out", "whole", "--keep-constant-channels") == 0
    assert "[1, 6, 6, 2]" in Path("slim/model.c").read_text()
    whole = Path("whole/model.c").read_text()
    assert "[1, 6, 6, 4]" in whole
    assert "--keep-constant-channels" in whole


@pytest.mark.slow
def test_both_deployments_match(model: Path) -> None:
    counts = []
    for options in ([], ["--keep-constant-channels"]):
        arguments = [model.name, "--board", "host", "--json", "out.json", *options]
        assert run("deploy", *arguments) == 0
        report = json.loads(Path("out.json").read_text())
        assert report["mismatches"] == 0
        counts.append(report["model"]["macs"])
    assert counts[0] < counts[1]


def test_slim_writes_a_smaller_file(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run("slim", model.name, "small.tflite", "--constant-channels", "--json", "slim.json") == 0
    )
    assert "2 of 6 channels removed" in capsys.readouterr().out
    report = json.loads(Path("slim.json").read_text())
    small = Path("small.tflite")
    assert report["tflite_bytes"] == small.stat().st_size < report["tflite_bytes_before"]
    x = np.random.default_rng(1).integers(-128, 128, (9, 6, 6, 3)).astype(np.int8)
    before, after = (ReferenceModel(path.read_bytes()).run((x,)) for path in (model, small))
    np.testing.assert_array_equal(after[0], before[0])


def test_slim_refuses_what_differs(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(graph: Graph, reaches: Sequence[Reach], choice: Choice) -> Graph:
        made = rewrite(graph, reaches, choice)
        bias = made.tensors[-1]
        assert bias.constant is not None
        other = dataclasses.replace(bias, constant=bias.constant + np.int32(5000))
        return dataclasses.replace(made, tensors=(*made.tensors[:-1], other))

    monkeypatch.setattr(remove, "rewrite", wrong)
    assert run("slim", model.name, "small.tflite", "--constant-channels") == 1
    assert "the new file must give the same outputs" in capsys.readouterr().err
    assert not Path("small.tflite").exists()


def test_slim_names_a_missing_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("slim", "none.tflite", "small.tflite") == 2
    assert "none.tflite" in capsys.readouterr().err
