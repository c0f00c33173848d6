"""Reference models and real data that tests read where they are present.

They are not part of the repository: they lie in ``../shared`` beside the checkout, or where the
environment variable ESPALIER_SHARED points.
"""

from __future__ import annotations

import os
import tarfile
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


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar file, with the checks of a Python that has them (3.11.4)."""
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, filter="data")
        else:
            tar.extractall(folder)


def shared_path(relative: str) -> Path:
    """Path of a shared file, e.g. ``models/kws_ref_model.tflite``; skips the test without it."""
    path = shared_root() / relative
    if not path.exists():
        pytest.skip(f"no shared data: {relative} (set ESPALIER_SHARED)")
    return path
