from __future__ import annotations

import json

import pytest

from pipeline.report.deployment import deployment_report
from tests.report import fakes


def test_every_key_of_the_contract_is_there() -> None:
    report = deployment_report(
        fakes.plan(), fakes.firmware(), fakes.measurement(), fakes.inputs(), (8, 0)
    )
    assert json.loads(json.dumps(report)) == report
    assert report["model"] == {
        "name": "tiny",
        "sha256": "ab" * 32,
        "tflite_bytes": 1234,
        "macs": 8,
    }
    assert (report["board"], report["engine"], report["emulator"]) == ("mps2_an386", "aot", "qemu")
    assert report["build_id"] == "0123456789abcdef"
    assert (report["inputs"], report["mismatches"], report["accuracy"]) == (4, 0, None)
    assert report["clock"] == "instructions"
    assert report["instructions_per_inference"] == {"median": 1200, "min": 1000, "max": 1400}
    assert report["estimated_cycles"] == {"median": 1600, "min": 1500, "max": 1700}
    assert report["flash_wait_states"] == 0
    assert report["ram"] == {
        "arena_bytes": 64,
        "static_bytes": 700,
        "stack_peak_bytes": 500,
        "total_bytes": 1264,
    }
    assert report["flash"] == {
        "weights_bytes": 100,
        "runtime_bytes": 2000,
        "harness_bytes": 3000,
        "framework_bytes": 0,
        "total_bytes": 5100,
    }
    sums = {
        "channels": 8,
        "constant": 2,
        "removed": 1,
        "macs_before": 1012,
        "macs": 1008,
        "weight_bytes_before": 1048,
        "weight_bytes": 1040,
    }
    changed = {
        "name": "dense;bias",
        "kind": "FULLY_CONNECTED",
        "channels": 3,
        "constant": 2,
        "removed": 1,
        "macs_before": 12,
        "macs": 8,
        "weight_bytes_before": 24,
        "weight_bytes": 16,
    }
    assert report["constant_channels"] == {**sums, "layers": [changed]}
    assert report["layers"] == [
        {
            "name": "dense;bias",
            "kind": "FULLY_CONNECTED",
            "macs": 8,
            "instructions": 900,
            "estimated_cycles": 1300,
        },
        {
            "name": "[bold]out",
            "kind": "SOFTMAX",
            "macs": 0,
            "instructions": 300,
            "estimated_cycles": 400,
        },
    ]


def test_labels_give_accuracies() -> None:
    report = deployment_report(
        fakes.plan(), fakes.firmware(), fakes.measurement(), fakes.inputs([0, 1, 1, 0]), (8, 0)
    )
    # The third output is a tie, which goes to the first class.
    assert (report["right"], report["accuracy"]) == (3, 0.75)
    assert report["balanced_accuracy"] == pytest.approx(0.75)


def test_a_host_counts_no_instructions_and_knows_no_sizes() -> None:
    measurement = fakes.measurement(clock="host", stack=None)
    report = deployment_report(
        fakes.plan(), fakes.firmware(None), measurement, fakes.inputs(), (8, 0)
    )
    assert "instructions" not in json.dumps(report)
    assert report["host_ticks_per_inference"]["median"] == 1200
    assert report["layers"][0]["host_ticks"] == 900
    assert report["estimated_cycles"] is report["layers"][0]["estimated_cycles"] is None
    assert report["ram"]["arena_bytes"] == 64
    assert report["ram"]["total_bytes"] is None
    assert report["flash"]["weights_bytes"] == 100
    assert report["flash"]["total_bytes"] is None


def test_a_missing_layer_count_is_a_bug() -> None:
    with pytest.raises(ValueError, match="zip"):
        deployment_report(fakes.plan(), fakes.firmware(), fakes.measurement(), fakes.inputs(), (8,))
