"""Every record that passes between stages: frozen, compared by value, arrays read-only.

``real = scale * (quantized - zero_point)`` throughout. Sizes carry their unit in the name.
"""

from pipeline.records.camera import CameraFormat, FramePlan, PixelFormat, Taps
from pipeline.records.estimate import LayerEstimate, PlanEstimate
from pipeline.records.firmware import Board, Firmware, FirmwareSize, FlashPart, SourceTree
from pipeline.records.graph import (
    ARENA_ALIGNMENT_BYTES,
    INT4,
    TENSOR_ALIGNMENT_BYTES,
    Array,
    Graph,
    KernelTarget,
    Op,
    OpKind,
    QuantParams,
    Requant,
    Tensor,
)
from pipeline.records.measurement import (
    BoardMeasurement,
    ClockCheck,
    CycleEstimate,
    InputSet,
    Measurement,
    Spread,
)
from pipeline.records.plan import (
    AnyPlan,
    DeployPlan,
    Extent,
    FoldedPadding,
    KernelGuard,
    LayerChannels,
    Placement,
    Step,
    TflmArena,
    TflmPlan,
)

__all__ = [
    "ARENA_ALIGNMENT_BYTES",
    "INT4",
    "AnyPlan",
    "Array",
    "Board",
    "BoardMeasurement",
    "CameraFormat",
    "ClockCheck",
    "CycleEstimate",
    "DeployPlan",
    "Extent",
    "Firmware",
    "FirmwareSize",
    "FlashPart",
    "FoldedPadding",
    "FramePlan",
    "Graph",
    "InputSet",
    "KernelGuard",
    "KernelTarget",
    "LayerChannels",
    "LayerEstimate",
    "Measurement",
    "Op",
    "OpKind",
    "PixelFormat",
    "PlanEstimate",
    "Placement",
    "QuantParams",
    "Requant",
    "SourceTree",
    "Spread",
    "Step",
    "TENSOR_ALIGNMENT_BYTES",
    "Taps",
    "Tensor",
    "TflmArena",
    "TflmPlan",
]
