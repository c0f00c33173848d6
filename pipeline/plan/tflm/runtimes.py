"""The TensorFlow Lite Micro (TFLM) snapshots that boards pin, as a table of facts.

A snapshot decides which operators exist and how many bytes its structs take: TFLM lays them into
the arena. Sizes were read off with the target's compiler (`sizeof`), with TF_LITE_STATIC_MEMORY
defined. Arm's ABI stores an enumeration in one byte, Xtensa, RISC-V and x86-64 in four: hence the
differences between the parameters of operators on equally wide machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from pipeline.errors import ConfigError
from pipeline.records import OpKind
from pipeline.suggest import did_you_mean


class Kernels(Enum):
    """Whose kernels stand behind TFLM's operators; the value is how messages call them."""

    REFERENCE = "TFLM's reference kernels"
    CMSIS_NN = "CMSIS-NN"
    ESP_NN = "ESP-NN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Structs:
    """Sizes in bytes of what TFLM's allocator puts into the arena for itself."""

    tensor: int
    affine_quantization: int
    eval_tensor: int
    node: int
    scratch_request: int
    allocation_info: int
    buffer_allocator: int
    memory_planner: int
    micro_allocator: int
    builtin_data_allocator: int
    subgraph: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One TFLM, built for one kind of target.

    Attributes:
        name: as an environment of a board's platformio.ini names it (`custom_tflm`).
        title: for people.
        year: of the snapshot; what changed in between hangs on it.
        kernels: whose.
        word_bytes: of a pointer and of size_t.
        structs: sizes of the allocator's own structs.
        params: (size, alignment) of each operator's parsed options; none for operators without.
        op_data: size of what a kernel keeps for each operator; none for kernels without.
        missing: operators that the snapshot does not have.
        per_channel_fully_connected: whether FULLY_CONNECTED takes a scale for each output.
    """

    name: str
    title: str
    year: int
    kernels: Kernels
    word_bytes: int
    structs: Structs
    params: Mapping[OpKind, tuple[int, int]]
    op_data: Mapping[OpKind, int]
    missing: frozenset[OpKind]
    per_channel_fully_connected: bool


_STRUCTS_32 = Structs(
    tensor=32,
    affine_quantization=12,
    eval_tensor=12,
    node=32,
    scratch_request=12,
    allocation_info=24,
    buffer_allocator=36,
    memory_planner=44,
    micro_allocator=36,
    builtin_data_allocator=8,
    subgraph=8,
)
# With enumerations of four bytes.
_STRUCTS_32_WIDE = replace(_STRUCTS_32, tensor=40)
_STRUCTS_64 = Structs(
    tensor=64,
    affine_quantization=24,
    eval_tensor=24,
    node=64,
    scratch_request=16,
    allocation_info=32,
    buffer_allocator=72,
    memory_planner=72,
    micro_allocator=72,
    builtin_data_allocator=16,
    subgraph=16,
)

# Options that are the same everywhere, enumerations of one byte.
_PARAMS_NARROW: Mapping[OpKind, tuple[int, int]] = {
    OpKind.ADD: (2, 1),
    OpKind.ARG_MAX: (1, 1),
    OpKind.AVERAGE_POOL_2D: (40, 4),
    OpKind.CONCATENATION: (8, 4),
    OpKind.CONV_2D: (28, 4),
    OpKind.DEPTHWISE_CONV_2D: (28, 4),
    OpKind.DEPTH_TO_SPACE: (4, 4),
    OpKind.FULLY_CONNECTED: (5, 1),
    OpKind.LEAKY_RELU: (4, 4),
    OpKind.MAX_POOL_2D: (40, 4),
    OpKind.MEAN: (1, 1),
    OpKind.MUL: (1, 1),
    OpKind.PACK: (8, 4),
    OpKind.REDUCE_MAX: (1, 1),
    OpKind.RESHAPE: (36, 4),
    OpKind.RESIZE_BILINEAR: (2, 1),
    OpKind.RESIZE_NEAREST_NEIGHBOR: (2, 1),
    OpKind.SHAPE: (1, 1),
    OpKind.SOFTMAX: (4, 4),
    OpKind.SPACE_TO_DEPTH: (4, 4),
    OpKind.SPLIT: (4, 4),
    OpKind.SPLIT_V: (4, 4),
    OpKind.SQUEEZE: (36, 4),
    OpKind.STRIDED_SLICE: (24, 4),
    OpKind.SUB: (2, 1),
    OpKind.TRANSPOSE_CONV: (16, 4),
    OpKind.UNPACK: (8, 4),
}
_PARAMS_WIDE: Mapping[OpKind, tuple[int, int]] = {
    **_PARAMS_NARROW,
    OpKind.ADD: (8, 4),
    OpKind.ARG_MAX: (4, 4),
    OpKind.FULLY_CONNECTED: (16, 4),
    OpKind.MUL: (4, 4),
    OpKind.SHAPE: (4, 4),
    OpKind.SUB: (8, 4),
    OpKind.TRANSPOSE_CONV: (20, 4),
}

_OP_DATA_REFERENCE: Mapping[OpKind, int] = {
    OpKind.ADD: 60,
    OpKind.AVERAGE_POOL_2D: 32,
    OpKind.CONCATENATION: 24,
    OpKind.CONV_2D: 56,
    OpKind.DEPTHWISE_CONV_2D: 56,
    OpKind.DEQUANTIZE: 32,
    OpKind.FULLY_CONNECTED: 48,
    OpKind.HARD_SWISH: 20,
    OpKind.LEAKY_RELU: 24,
    OpKind.LOGISTIC: 16,
    OpKind.MAX_POOL_2D: 32,
    OpKind.MEAN: 44,
    OpKind.MUL: 36,
    OpKind.PAD: 56,
    OpKind.PRELU: 28,
    OpKind.QUANTIZE: 32,
    OpKind.REDUCE_MAX: 44,
    OpKind.RELU: 28,
    OpKind.RELU6: 8,
    OpKind.SOFTMAX: 56,
    OpKind.STRIDED_SLICE: 84,
    OpKind.SUB: 52,
    OpKind.TANH: 16,
    OpKind.TRANSPOSE_CONV: 72,
}
_OP_DATA_CMSIS_NN: Mapping[OpKind, int] = {
    **_OP_DATA_REFERENCE,
    OpKind.AVERAGE_POOL_2D: 36,
    OpKind.CONV_2D: 60,
    OpKind.DEPTHWISE_CONV_2D: 60,
    OpKind.FULLY_CONNECTED: 72,
    OpKind.MAX_POOL_2D: 36,
    OpKind.SOFTMAX: 64,
    OpKind.TRANSPOSE_CONV: 76,
}
_OP_DATA_ESP_NN: Mapping[OpKind, int] = {
    **_OP_DATA_REFERENCE,
    OpKind.CONV_2D: 60,
    OpKind.DEPTHWISE_CONV_2D: 60,
    OpKind.SOFTMAX: 64,
}
_OP_DATA_HOST: Mapping[OpKind, int] = {
    **_OP_DATA_REFERENCE,
    OpKind.CONCATENATION: 40,
    OpKind.CONV_2D: 72,
    OpKind.DEPTHWISE_CONV_2D: 72,
    OpKind.FULLY_CONNECTED: 64,
    OpKind.SOFTMAX: 80,
    OpKind.TRANSPOSE_CONV: 80,
}

# No snapshot has these.
_NEVER = frozenset({OpKind.RELU_0_TO_1, OpKind.RELU_N1_TO_1, OpKind.TILE})

_CORTEX_M = Runtime(
    name="tflite-micro-2026",
    title="tflite-micro of August 2026 with CMSIS-NN, for Cortex-M",
    year=2026,
    kernels=Kernels.CMSIS_NN,
    word_bytes=4,
    structs=_STRUCTS_32,
    params=_PARAMS_NARROW,
    op_data=_OP_DATA_CMSIS_NN,
    missing=_NEVER,
    per_channel_fully_connected=True,
)
_HOST = Runtime(
    name="tflite-micro-2026-host",
    title="tflite-micro of August 2026 with its reference kernels, for 64-bit computers",
    year=2026,
    kernels=Kernels.REFERENCE,
    word_bytes=8,
    structs=_STRUCTS_64,
    params=_PARAMS_WIDE,
    op_data=_OP_DATA_HOST,
    missing=_NEVER,
    per_channel_fully_connected=True,
)
RUNTIMES: Mapping[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        _CORTEX_M,
        _HOST,
        # The library is a snapshot of between 2022-11 and 2023-02, with CMSIS-NN of 2022-09.
        replace(
            _CORTEX_M,
            name="chirale-2.0.0",
            title="Chirale_TensorFLowLite 2.0.0 (TFLM of 2023 with CMSIS-NN)",
            year=2023,
            params={
                **_PARAMS_NARROW,
                OpKind.CONV_2D: (24, 4),
                OpKind.FULLY_CONNECTED: (4, 1),
                OpKind.STRIDED_SLICE: (20, 4),
            },
            op_data={
                **_OP_DATA_CMSIS_NN,
                OpKind.FULLY_CONNECTED: 60,
                OpKind.TRANSPOSE_CONV: 72,
            },
            per_channel_fully_connected=False,
        ),
        # What the Arduino core 3.x for the ESP32 brings; TFLM of 2023-10.
        replace(
            _CORTEX_M,
            name="esp-tflite-micro-1.2.0",
            title="esp-tflite-micro 1.2.0 with ESP-NN (of the Arduino core 3.x)",
            year=2023,
            kernels=Kernels.ESP_NN,
            structs=_STRUCTS_32_WIDE,
            params=_PARAMS_WIDE,
            op_data=_OP_DATA_ESP_NN,
            per_channel_fully_connected=False,
        ),
        # The wheel `tflite-micro` of PyPI records allocations and knows compressed tensors: larger
        # structs.
        replace(
            _HOST,
            name="tflite-micro-wheel",
            title="the Python package tflite-micro",
            structs=replace(_STRUCTS_64, buffer_allocator=104, micro_allocator=272, subgraph=24),
            params={**_PARAMS_WIDE, OpKind.FULLY_CONNECTED: (32, 8)},
            op_data={
                **_OP_DATA_HOST,
                OpKind.CONCATENATION: 80,
                OpKind.CONV_2D: 80,
                OpKind.DEPTHWISE_CONV_2D: 80,
                OpKind.FULLY_CONNECTED: 72,
                OpKind.TRANSPOSE_CONV: 88,
            },
        ),
    )
}


def find_runtime(name: str) -> Runtime:
    """A snapshot by its name.

    Raises:
        ConfigError: it is not in the table.
    """
    if name not in RUNTIMES:
        raise ConfigError(
            f"custom_tflm: expected one of {', '.join(RUNTIMES)}. Received: '{name}'."
            f"{did_you_mean(name, RUNTIMES)} "
            "A new snapshot needs its facts in pipeline/plan/tflm/runtimes.py."
        )
    return RUNTIMES[name]
