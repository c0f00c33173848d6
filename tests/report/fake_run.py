"""The report of a run that never was: every part that a page shows, with small numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.device.board import load_board
from pipeline.records import Array, FlashPart
from pipeline.report.deployment import deployment_report
from pipeline.report.memory import plan_report
from pipeline.report.run import run_report
from pipeline.report.settings import toml_text
from tests.report import fakes

# A class name that would run if it got into a page as it is.
HOSTILE = "<script>document.title='taken'</script>&\"'"
CONFIG = {
    "run": {"name": "tiny", "seed": 3},
    "data": {"source": "synthetic:80", "shape": []},
    "quantize": {"method": "ptq", "samples": 20, "max_drop": 5.0},
}
PARTS = (
    FlashPart(owner="weights", symbol="model_00_stream", size_bytes=80, layer=0),
    FlashPart(owner="weights", symbol="", size_bytes=20),
    FlashPart(owner="runtime", symbol="softmax_s8", size_bytes=1500),
    FlashPart(owner="runtime", symbol="", size_bytes=500),
    FlashPart(owner="harness", symbol="main", size_bytes=3000),
)
IMAGE = {
    "firmware": {
        "weights_bytes": 100,
        "runtime_bytes": 2000,
        "harness_bytes": 3000,
        "flash_bytes": 5100,
        "arena_bytes": 64,
        "static_ram_bytes": 700,
        "framework_bytes": 0,
        "framework_ram_bytes": 0,
    },
    "stack_reserve_bytes": 1024,
    "ram_bytes": 1800,
}


def deployment(mismatches: int = 0) -> dict[str, Any]:
    measurement = fakes.measurement(mismatches=mismatches)
    inputs = fakes.inputs([0, 1, 1, 0])
    return deployment_report(fakes.plan(), fakes.firmware(), measurement, inputs, (8, 0))


def trained() -> dict[str, Any]:
    history = [
        {
            "epoch": epoch,
            "epochs": 3,
            "train_loss": 1 / epoch,
            "val_loss": 1.5 / epoch,
            "val_accuracy": 0.5 + epoch / 10,
            "val_balanced_accuracy": 0.45 + epoch / 10,
            "best": True,
        }
        for epoch in (1, 2, 3)
    ]
    return {"params": 40, "macs": 16, "best_epoch": 3, "history": history}


def side(channels: int) -> dict[str, int]:
    return {"channels": channels, "params": 5 * channels, "macs": 4 * channels}


def pruned() -> dict[str, Any]:
    before = {"params": 40, "macs": 16, "peak_activation_bytes": 32}
    after = {"params": 20, "macs": 8, "peak_activation_bytes": 16}
    return {
        "method": "taylor",
        "trained_epochs": 6,
        "before": {**before, "accuracy": 0.75, "balanced_accuracy": 0.7},
        "after": {**after, "accuracy": 0.75, "balanced_accuracy": 0.72},
        "layers": [
            {"name": f"dense_{HOSTILE}", "kind": "Dense", "before": side(4), "after": side(2)},
            {"name": "gone", "kind": "Dense", "before": side(4), "after": None},
        ],
        "locked": [{"layer": "out", "reason": "model output"}],
        "notes": ["A note."],
        "deployed": None,
        "confusion": {"before": [[2, 0], [1, 1]], "after": [[1, 1], [0, 2]]},
    }


def quantized(balanced_drop: float = 0.012) -> dict[str, Any]:
    accuracy = {"samples": 4, "plain": 0.75, "balanced": 0.75, "confusion": [[1, 1], [0, 2]]}
    moved = {"true": HOSTILE, "float_class": HOSTILE, "int8_class": "no", "moved": 0.25}
    return {
        "classes": ["no", HOSTILE],
        "accuracy": {"float": accuracy, "int8": accuracy},
        "balanced_drop": balanced_drop,
        "flipped": 1,
        "mean_moved": 0.01,
        "worst": [{"sample": f"{HOSTILE}/1.png", **moved}, {"sample": "no/2.png", **moved}],
        "method": "ptq",
        "calibration_samples": 20,
        "settings": {"ptq": {"calibration": "mse", "equalize": False, "correct_bias": True}},
        "layers": [layer_error("model/stem/Conv2D", 31.5, 33.0), layer_error(HOSTILE, 24.25, None)],
        "advice": f"Layer {HOSTILE} hurts most.",
        "low_bit": {
            "board": "mps2_an386",
            "flash_bytes_before": 9000,
            "flash_bytes": 7000,
            "layers": [{"name": HOSTILE, "bits": 4, "bytes_before": 4000, "bytes_after": 2000}],
        },
    }


def layer_error(name: str, sqnr_db: float, own_db: float | None) -> dict[str, Any]:
    return {
        **{"layer": name, "kind": "CONV_2D", "sqnr_db": sqnr_db, "isolated_sqnr_db": own_db},
        **{"cosine": 0.9995, "saturated": 0.0125},
    }


def facts(**changed: Any) -> dict[str, Any]:
    everything = {
        "train": trained(),
        "prune": pruned(),
        "quantize": quantized(),
        "plan": plan_report(fakes.plan(), (8, 0)),
        "deployment": deployment(),
    }
    return {name: value for name, value in (everything | changed).items() if value is not None}


def provenance() -> dict[str, Any]:
    stage = {
        "name": "train",
        "seed": 3,
        "code": "c0" * 32,
        "tools": {"keras": "3.0"},
        "inputs": {"data": "synthetic:80"},
        "outputs": {"model.keras": "ab" * 32},
    }
    return {
        "commit": "12" * 20,
        "command": "espalier run run.toml",
        "settings": toml_text(CONFIG),
        "stages": [stage],
    }


def report(**options: Any) -> dict[str, Any]:
    """A whole report; `options` replace what `run_report` is given."""
    given: dict[str, Any] = {
        "board": load_board("mps2_an386"),
        "budget": {"limits": {"macs": 10, "arena": 100}, "accuracy": 0.7},
        "image": IMAGE,
        "flash_parts": PARTS,
        "provenance": provenance(),
    }
    found = options.pop("facts", facts())
    return run_report("tiny", options.pop("config", CONFIG), found, **(given | options))


def samples() -> dict[str, Array]:
    picture = np.arange(8 * 8 * 3, dtype=np.int64).reshape(8, 8, 3) - 96
    return {f"{HOSTILE}/1.png": picture.astype(np.int8)}
