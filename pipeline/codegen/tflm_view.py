"""What the templates of engine tflm print."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.codegen.views import comment_text
from pipeline.records import TflmArena, TflmPlan

_BYTES_PER_LINE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TflmView:
    """The whole model: `rows` are the bytes of the file as lines of comma-separated numbers."""

    name: str
    sha256: str
    runtime: str
    tflite_bytes: int
    arena: TflmArena
    num_inputs: int
    num_outputs: int
    num_layers: int
    inputs_bytes: int
    registrations: tuple[str, ...]
    rows: tuple[str, ...]


def tflm_view(plan: TflmPlan) -> TflmView:
    """Everything that the templates print for a plan."""
    graph = plan.graph
    data = plan.tflite
    return TflmView(
        name=comment_text(graph.name),
        sha256=graph.sha256,
        runtime=plan.runtime,
        tflite_bytes=len(data),
        arena=plan.arena,
        num_inputs=len(graph.inputs),
        num_outputs=len(graph.outputs),
        num_layers=len(graph.ops),
        inputs_bytes=sum(graph.tensors[index].size_bytes for index in graph.inputs),
        registrations=plan.registrations,
        rows=tuple(
            ", ".join(map(str, data[begin : begin + _BYTES_PER_LINE]))
            for begin in range(0, len(data), _BYTES_PER_LINE)
        ),
    )
