"""What a planned model is fed with on a device: read as its inputs have to be."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.records import AnyPlan, Graph, InputSet, OpKind, Tensor
from pipeline.report.progress import Reporter


def read_inputs(spec: str, plan: AnyPlan, reporter: Reporter, samples: int = 0) -> InputSet:
    """Load inputs for a planned model, and tell about what could not be read.

    Args:
        spec: as of `espalier deploy --inputs`.
        plan: of the model.
        reporter: told about unreadable files.
        samples: at most this many; 0 is all.
    Raises:
        ConfigError: the spec fits no form, or the data does not fit the model.
    """
    from pipeline.data.inputs import load_inputs

    inputs = load_inputs(spec, **input_facts(plan.graph), limit=samples or None)
    if inputs.skipped:
        name, reason = inputs.skipped[0]
        reporter.log(
            f"inputs: skipped {len(inputs.skipped)} unreadable, the first {name}: {reason}"
        )
    return inputs


def input_facts(graph: Graph) -> dict[str, Any]:
    """What `load_inputs` has to know of a graph's inputs."""
    tensors = [graph.tensors[index] for index in graph.inputs]
    return {
        "shapes": [t.shape[1:] if t.shape[:1] == (1,) else t.shape for t in tensors],
        "dtypes": [tensor.dtype for tensor in tensors],
        "ranges": [_range_of(graph, tensor) for tensor in tensors],
    }


def _range_of(graph: Graph, x: Tensor) -> tuple[float, float]:
    """What an input may hold: of real values, what the operator that quantizes them can tell apart.

    Half as much again lies beyond that range, so that values saturate, too.
    """
    quantized = [
        graph.tensors[op.outputs[0]]
        for op in graph.ops
        if op.kind is OpKind.QUANTIZE and op.inputs[0] == x.index
    ]
    tensor = quantized[0] if x.dtype == "float32" and quantized else x
    quant = tensor.quant
    if quant is None or tensor is x:
        return -1.0, 1.0
    info = np.iinfo(tensor.dtype)
    low, high = (
        quant.scale[0] * (end - quant.zero_point[0]) for end in (int(info.min), int(info.max))
    )
    margin = (high - low) / 4
    return low - margin, high + margin
