"""A small plan and what a device could have made of it."""

from __future__ import annotations

import numpy as np

from pipeline.records import (
    CycleEstimate,
    DeployPlan,
    Extent,
    Firmware,
    FirmwareSize,
    FoldedPadding,
    Graph,
    InputSet,
    KernelTarget,
    LayerChannels,
    Measurement,
    Op,
    OpKind,
    Placement,
    QuantParams,
    Step,
    Tensor,
)
from tests.shared import REPOSITORY

SIZE = FirmwareSize(
    weights_bytes=100,
    runtime_bytes=2000,
    harness_bytes=3000,
    flash_bytes=5100,
    arena_bytes=64,
    static_ram_bytes=700,
)


def plan() -> DeployPlan:
    quant = QuantParams(scale=(1 / 256,), zero_point=(-128,))
    tensors = (
        Tensor(index=0, name="in", shape=(1, 4), dtype="int8", quant=quant),
        Tensor(index=1, name="dense", shape=(1, 2), dtype="int8", quant=quant),
        Tensor(index=2, name="out", shape=(1, 2), dtype="int8", quant=quant),
    )
    ops = (
        Op(
            index=0,
            kind=OpKind.FULLY_CONNECTED,
            name="dense;bias",
            inputs=(0,),
            outputs=(1,),
            attrs=None,
        ),
        Op(index=1, kind=OpKind.SOFTMAX, name="[bold]out", inputs=(1,), outputs=(2,), attrs=None),
    )
    graph = Graph(
        name="tiny",
        sha256="ab" * 32,
        tflite_bytes=1234,
        tensors=tensors,
        ops=ops,
        inputs=(0,),
        outputs=(2,),
    )
    places = (
        Placement(
            tensors=(0,),
            offset_bytes=0,
            size_bytes=16,
            extents=(Extent(-1, 0, 16), Extent(1, 0, 0)),
        ),
        Placement(tensors=(1, 2), offset_bytes=16, size_bytes=16, extents=(Extent(0, 0, 16),)),
        Placement(
            tensors=(), offset_bytes=32, size_bytes=8, extents=(Extent(1, 0, 8),), scratch_of=1
        ),
    )
    return DeployPlan(
        graph=graph,
        target=KernelTarget.PORTABLE,
        steps=(Step(op=0, first_row=0, end_row=1), Step(op=1, first_row=0, end_row=1)),
        placements=places,
        arena_bytes=40,
        lower_bound_bytes=32,
        scratch_bytes=8,
        macs=8,
        weights_bytes=100,
        channels=(
            LayerChannels(
                name="dense;bias",
                kind=OpKind.FULLY_CONNECTED,
                channels=3,
                constant=2,
                removed=1,
                macs_before=12,
                macs=8,
                weight_bytes_before=24,
                weight_bytes=16,
            ),
            LayerChannels(
                name="whole",
                kind=OpKind.CONV_2D,
                channels=5,
                constant=0,
                removed=0,
                macs_before=1000,
                macs=1000,
                weight_bytes_before=1024,
                weight_bytes=1024,
            ),
        ),
        folded_padding=(
            FoldedPadding(name="pad_1;x", layers=("whole",), before=(0, 1), after=(1, 0)),
        ),
    )


def firmware(size: FirmwareSize | None = SIZE) -> Firmware:
    return Firmware(
        build_id="0123456789abcdef",
        board="mps2_an386",
        engine="aot",
        toolchain="zig 0.17.0",
        elf_path=REPOSITORY / "firmware.elf",
        size=size,
    )


def measurement(
    *, clock: str = "instructions", mismatches: int = 0, stack: int | None = 500
) -> Measurement:
    estimate = CycleEstimate(flash_wait_states=0, inferences=(1700, 1500, 1600), layers=(1300, 400))
    return Measurement(
        build_id="0123456789abcdef",
        device="qemu",
        clock=clock,
        ticks_per_second=25_000_000,
        warmup=1,
        ticks=(1000, 1400, 1200, 1300),
        layer_ticks=(900, 300),
        mismatches=mismatches,
        stack_peak_bytes=stack,
        arena_bytes=64,
        estimate=estimate if clock == "instructions" else None,
        outputs=(np.array([[9, 1], [2, 7], [3, 3], [-5, -6]], np.int8),),
    )


def inputs(labels: list[int] | None = None) -> InputSet:
    return InputSet(
        spec="random:1:4",
        names=("0", "1", "2", "3"),
        x=(np.zeros((4, 4), np.int8),),
        y=None if labels is None else np.array(labels, np.int64),
    )
