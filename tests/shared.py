"""Reference models and real data that tests read where they are present.

They are not part of the repository: they lie in ``../shared`` beside the checkout, or where the
environment variable ESPALIER_SHARED points.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

REFERENCE_MODELS = (
    "ad01_int8",
    "hallaq_pruned_mnv2",
    "hello_world_int8",
    "kws_ref_model",
    "micro_speech_quantized",
    "resnet8_int8",
    "vww_96_int8",
    "wv_quality_k_8_c_5",
)


def shared_root() -> Path:
    """The folder of shared data, whether it exists or not."""
    return Path(os.environ.get("ESPALIER_SHARED") or REPOSITORY.parent / "shared")


def shared_path(relative: str) -> Path:
    """Path of a shared file, e.g. ``models/kws_ref_model.tflite``; skips the test without it."""
    path = shared_root() / relative
    if not path.exists():
        pytest.skip(f"no shared data: {relative} (set ESPALIER_SHARED)")
    return path
