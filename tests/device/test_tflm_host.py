"""TFLM on this computer: what it answers, and what is said where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.device import tflm_host
from pipeline.device.tflm_host import run_on_host
from pipeline.errors import MissingToolError, UnsupportedModelError
from pipeline.reference import ReferenceModel
from tests.small_models import SMALL_MODELS


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflm_host, "is_installed", lambda: False)
    with pytest.raises(MissingToolError, match="pip install tflite-micro"):
        run_on_host(b"", [])


@pytest.mark.needs("tflite_micro")
def test_outputs_are_the_references() -> None:
    tflite = SMALL_MODELS["residual"]()
    x = np.random.default_rng(0).integers(-128, 128, (3, 1, 6, 6, 3)).astype(np.int8)
    run = run_on_host(tflite, [x])
    (expected,) = ReferenceModel(tflite).run((x[:, 0],))
    np.testing.assert_array_equal(run.outputs[0].reshape(expected.shape), expected)
    assert run.head_bytes > 0
    assert run.tail_bytes > 0


@pytest.mark.needs("tflite_micro")
def test_damage_does_not_end_this_process() -> None:
    with pytest.raises(UnsupportedModelError, match="cannot run this model"):
        run_on_host(b"not a model", [np.zeros((1, 1), np.int8)])
