"""A .tflite without the channels that no input changes, as a file for any runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ConfigError, MismatchError
from pipeline.records import Graph
from pipeline.stages.firmware import input_facts

# Inputs on which the smaller file has to give the same outputs.
_CHECKED_INPUTS = 24


def slim_file(tflite: Path, out: Path) -> dict[str, Any]:
    """Write a model without constant channels and without anything that interpreters do not need.

    Args:
        tflite: the model.
        out: the file to write.
    Returns:
        The figures as a JSON object.
    Raises:
        UnsupportedModelError: it is no usable model.
        ConfigError: a file cannot be read or written.
        MismatchError: outputs differ; nothing is written.
    """
    from pipeline.plan.constant_channels.remove import remove_constant_channels
    from pipeline.plan.graph import read_graph
    from pipeline.plan.write import write_tflite
    from pipeline.report.channels import channels_report

    graph = read_graph(tflite)
    data = tflite.read_bytes()
    slim = remove_constant_channels(graph, data)
    file = write_tflite(slim.graph, slim.tflite)
    _check_same(graph, data, file)
    try:
        out.write_bytes(file)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written: {error}.") from error
    return {
        "model": graph.name,
        "tflite_bytes_before": len(data),
        "tflite_bytes": len(file),
        "inputs": _CHECKED_INPUTS,
        "constant_channels": channels_report(slim.channels),
    }


def _check_same(graph: Graph, before: bytes, after: bytes) -> None:
    """Run both files by TFLite's reference kernels.

    Raises:
        MismatchError: any output differs.
    """
    from pipeline.data.inputs import load_inputs
    from pipeline.reference import ReferenceModel

    x = load_inputs(f"random:0:{_CHECKED_INPUTS}", **input_facts(graph)).x
    outputs = zip(ReferenceModel(before).run(x), ReferenceModel(after).run(x), strict=True)
    if not all(np.array_equal(expected, received) for expected, received in outputs):
        raise MismatchError(
            f"{graph.name}: the smaller file must give the same outputs. Received: others, for "
            f"some of {_CHECKED_INPUTS} random inputs. Nothing was written; please report the "
            "model as a bug."
        )
