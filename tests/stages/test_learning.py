"""What the stages of a run.toml refuse before they cost time."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load_config
from pipeline.errors import ConfigError
from pipeline.report.progress import Reporter
from pipeline.stages import run
from tests.data.pictures import class_folders


def test_too_few_samples_end_a_run_before_its_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_folders(tmp_path / "pictures", 3)
    (tmp_path / "run.toml").write_text('[data]\nsource = "pictures"\nsize = 8\n')
    monkeypatch.setattr("pipeline.quiet.import_tensorflow", lambda: pytest.fail("it trains"))
    words = r"at least 10 samples to train and calibrate with\. Received: \d of 6; .*more data"
    with pytest.raises(ConfigError, match=words):
        run(load_config(tmp_path / "run.toml"), "report", tmp_path / "runs", Reporter(quiet=True))
