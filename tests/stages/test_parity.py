"""The parity table: every row is there, whatever is missing or wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.device import tflm_host
from pipeline.device.board import load_board
from pipeline.errors import BuildError, ConfigError, UnsupportedModelError
from pipeline.quantize import quantize_model
from pipeline.report.progress import Reporter
from pipeline.report.quantization import parity_tables
from pipeline.report.tables import print_tables
from pipeline.stages import ParityRequest, check_parity, parity
from tests.quantize.networks import pictures, separable_model, spread_model

QUIET = Reporter(quiet=True)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.keras and the model.tflite that was made from it."""
    folder = tmp_path_factory.mktemp("parity")
    model = separable_model()
    model.save(folder / "model.keras")
    (folder / "model.tflite").write_bytes(quantize_model(model, pictures()))
    return folder


def request(subject: Path, **changed: object) -> ParityRequest:
    usual = {
        "model": subject / "model.tflite",
        "float_model": subject / "model.keras",
        "data": None,
        "inputs": "random:1:6",
        "board": load_board("host"),
    }
    return ParityRequest(**{**usual, **changed})  # type: ignore[arg-type]


def test_the_same_answers_everywhere(subject: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = check_parity(request(subject), QUIET)
    rows = {row["name"]: row for row in found.report["rows"]}
    assert found.failure is None
    assert found.report["mismatches"] == 0
    reference = rows["int8, TFLite reference"]
    assert rows["int8, aot on this computer"]["crc32"] == reference["crc32"]
    tflm = rows["int8, TFLM on this computer"]
    assert tflm["reason"] if tflm["crc32"] is None else tflm["crc32"] == reference["crc32"]
    assert rows["float, Keras"]["same_class"] >= 5
    assert 0 < rows["float, Keras"]["largest_difference"] < 0.2
    print_tables(parity_tables(found.report))
    assert reference["crc32"] in capsys.readouterr().out


def test_what_cannot_take_part_says_why(subject: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise BuildError("no compiler today")

    monkeypatch.setattr(parity, "deploy", refuse)
    monkeypatch.setattr(tflm_host, "is_installed", lambda: False)
    found = check_parity(request(subject, float_model=None), QUIET)
    reasons = [row["reason"] for row in found.report["rows"]]
    assert "--float" in reasons[0]
    assert reasons[1] == ""
    assert reasons[2].startswith("not installed")
    assert reasons[3] == "failed: no compiler today"
    assert isinstance(found.failure, BuildError)


def test_a_tflm_that_ends_itself_is_named(subject: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise UnsupportedModelError("it ended without a word.")

    monkeypatch.setattr(tflm_host, "run_on_host", fail)
    rows = check_parity(request(subject, float_model=None), QUIET).report["rows"]
    assert rows[2]["reason"] == "failed: it ended without a word."


def test_one_wrong_step_shows_in_every_column() -> None:
    expected = [np.zeros((3, 4), np.int8)]
    wrong = [expected[0].copy()]
    wrong[0][1, 2] = -2
    row = parity._row("somewhere", wrong, expected)
    assert row["mismatches"] == 1
    assert row["largest_difference"] == 2
    assert row["crc32"] != parity._row("there", expected, expected)["crc32"]


def test_another_float_model_is_refused(subject: Path, tmp_path: Path) -> None:
    spread_model("autoencoder", (16,), 0).save(tmp_path / "other.keras")
    with pytest.raises(ConfigError, match=r"inputs of \[8, 8, 3\]"):
        check_parity(request(subject, float_model=tmp_path / "other.keras"), QUIET)
