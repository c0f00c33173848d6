"""What `espalier quantize --flash` prints."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.report.low_bit_table import low_bit_tables
from pipeline.report.tables import print_tables

REPORT: dict[str, Any] = {
    "model": "net",
    "board": "mps2_an386",
    "flash_budget_bytes": 46_000,
    "flash_bytes_before": 49_836,
    "flash_bytes": 44_572,
    "tflite_bytes_before": 53_936,
    "tflite_bytes": 36_560,
    "divergence": 0.00386,
    "samples": 1000,
    "accuracy_before": 0.901,
    "accuracy": 0.908,
    "layers": [
        {
            "name": "dense",
            "kind": "FULLY_CONNECTED",
            "bits": 4,
            "sensitivity": 0.0012,
            "bytes_before": 864,
            "bytes_after": 576,
        }
    ],
}


def test_what_was_saved_and_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    print_tables(low_bit_tables(REPORT))
    text = capsys.readouterr().out
    for part in ("49,836 B -> 44,572 B", "90.10% -> 90.80%", "0.39% of their variance", "0.12%"):
        assert part in text


def test_without_labels_budget_and_layers(capsys: pytest.CaptureFixture[str]) -> None:
    print_tables(
        low_bit_tables({**REPORT, "accuracy": None, "flash_budget_bytes": None, "layers": []})
    )
    text = capsys.readouterr().out
    assert "accuracy" not in text
    assert "none" in text
