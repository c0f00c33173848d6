"""A smaller .tflite for any runtime, proven to give the same outputs."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.plan.slim.slim import SlimOptions, slim
from pipeline.stages.proving import prove_same


def slim_file(tflite: Path, out: Path, options: SlimOptions) -> dict[str, Any]:
    """Write a model without what no operator reads.

    Args:
        tflite: the model.
        out: the file to write; it may be the model itself.
        options: what may go.
    Returns:
        The figures as a JSON object.
    Raises:
        UnsupportedModelError: it is no usable model.
        ConfigError: a file cannot be read or written.
        MismatchError: outputs differ; nothing is written.
    """
    from pipeline.report.channels import channels_report

    data = read_model_file(tflite)
    made = slim(data, tflite.stem, str(tflite), options)
    proof = prove_same(data, made.tflite, str(tflite))
    write_whole(out, made.tflite)
    return {
        "model": tflite.stem,
        "sha256_before": hashlib.sha256(data).hexdigest(),
        "sha256": hashlib.sha256(made.tflite).hexdigest(),
        "tflite_bytes_before": len(data),
        "tflite_bytes": len(made.tflite),
        "savings": [dataclasses.asdict(saving) for saving in made.savings],
        "operators_before": made.operators_before,
        "operators": made.operators,
        "macs_before": made.macs_before,
        "macs": made.macs,
        "constant_channels": None if made.channels is None else channels_report(made.channels),
        "proof": proof,
        "notes": list(made.notes),
    }


def read_model_file(tflite: Path) -> bytes:
    """The bytes of a model.

    Raises:
        ConfigError: there is no such file, or it cannot be read.
    """
    try:
        return tflite.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the model '{tflite}': {error.strerror}.") from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written: {error}.") from error
