"""A model in reports: which one it is, and what goes in and comes out."""

from __future__ import annotations

from typing import Any

from pipeline.records import AnyPlan, Tensor


def model_report(plan: AnyPlan) -> dict[str, Any]:
    """Which model a plan is of."""
    graph = plan.graph
    return {
        "name": graph.name,
        "sha256": graph.sha256,
        "tflite_bytes": graph.tflite_bytes,
        "macs": plan.macs,
    }


def tensor_report(tensor: Tensor) -> dict[str, Any]:
    """An input or output of a model."""
    quant = tensor.quant
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "scale": None if quant is None else quant.scale[0],
        "zero_point": None if quant is None else quant.zero_point[0],
    }
