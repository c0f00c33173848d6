"""Every record that passes between stages: frozen, compared by value, arrays read-only.

``real = scale * (quantized - zero_point)`` throughout. Sizes carry their unit in the name.
"""

import bisect
import math
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.generic]

# Of the arena as a whole.
ARENA_ALIGNMENT_BYTES = 16
# Of every buffer in it: kernels load and store words.
TENSOR_ALIGNMENT_BYTES = 4


class KernelTarget(Enum):
    """Which kernels a core can run."""

    PORTABLE = "portable"  # C11, any core
    DSP = "dsp"  # Cortex-M with the DSP extension


class OpKind(Enum):
    """Operators that the pipeline knows, under TFLite's names."""

    ADD = "ADD"
    ARG_MAX = "ARG_MAX"
    AVERAGE_POOL_2D = "AVERAGE_POOL_2D"
    CONCATENATION = "CONCATENATION"
    CONV_2D = "CONV_2D"
    DEPTHWISE_CONV_2D = "DEPTHWISE_CONV_2D"
    DEPTH_TO_SPACE = "DEPTH_TO_SPACE"
    DEQUANTIZE = "DEQUANTIZE"
    EXPAND_DIMS = "EXPAND_DIMS"
    FULLY_CONNECTED = "FULLY_CONNECTED"
    HARD_SWISH = "HARD_SWISH"
    LEAKY_RELU = "LEAKY_RELU"
    LOGISTIC = "LOGISTIC"
    MAXIMUM = "MAXIMUM"
    MAX_POOL_2D = "MAX_POOL_2D"
    MEAN = "MEAN"
    MINIMUM = "MINIMUM"
    MUL = "MUL"
    PACK = "PACK"
    PAD = "PAD"
    PRELU = "PRELU"
    QUANTIZE = "QUANTIZE"
    REDUCE_MAX = "REDUCE_MAX"
    RELU = "RELU"
    RELU6 = "RELU6"
    RELU_0_TO_1 = "RELU_0_TO_1"
    RELU_N1_TO_1 = "RELU_N1_TO_1"
    RESHAPE = "RESHAPE"
    RESIZE_BILINEAR = "RESIZE_BILINEAR"
    RESIZE_NEAREST_NEIGHBOR = "RESIZE_NEAREST_NEIGHBOR"
    SHAPE = "SHAPE"
    SLICE = "SLICE"
    SOFTMAX = "SOFTMAX"
    SPACE_TO_DEPTH = "SPACE_TO_DEPTH"
    SPLIT = "SPLIT"
    SPLIT_V = "SPLIT_V"
    SQUEEZE = "SQUEEZE"
    STRIDED_SLICE = "STRIDED_SLICE"
    SUB = "SUB"
    TANH = "TANH"
    TILE = "TILE"
    TRANSPOSE = "TRANSPOSE"
    TRANSPOSE_CONV = "TRANSPOSE_CONV"
    UNPACK = "UNPACK"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantParams:
    """Affine quantization of a tensor.

    Attributes:
        scale: one float32 value per tensor, or one per channel along `axis`; all > 0.
        zero_point: as many as scales.
        axis: the channel dimension where there is more than one scale, else None.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requant:
    """A real factor as a Q31 multiplier and a power of two; shift > 0 is to the left."""

    multiplier: int
    shift: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of a graph; `constant` holds its value where it has one (read-only)."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quant: QuantParams | None = None
    constant: Array | None = field(default=None, compare=False, repr=False)

    @property
    def num_elements(self) -> int:
        """Product of the shape; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensor in memory."""
        return self.num_elements * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operator: tensor indices in and out (-1 for an absent optional input).

    An operator of the file that has several outputs stands here as several, each of which computes
    one of them; SQUEEZE and EXPAND_DIMS stand as the RESHAPE that they are.
    """

    index: int
    kind: OpKind
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attrs: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A quantized model: operators in execution order over tensors.

    Attributes:
        name: file name without suffix.
        sha256: of the .tflite file, hex.
        tflite_bytes: size of the .tflite file.
        tensors: all tensors; a tensor's position is its index.
        ops: in execution order; an op's position is its index.
        inputs, outputs: tensor indices, in the model's order.
    """

    name: str
    sha256: str
    tflite_bytes: int
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of the schedule: operator `op` computes rows first_row to end_row - 1.

    An operator that computes its output whole has one step, 0 to the number of its rows.
    """

    op: int
    first_row: int
    end_row: int


@dataclass(frozen=True, slots=True)
class Extent:
    """Occupied bytes of a buffer, first_byte to end_byte - 1, from a step on.

    Step -1 is before the first step. None are occupied where both are equal.
    """

    step: int
    first_byte: int
    end_byte: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a buffer lies in the tensor arena, and which of its bytes are occupied when.

    Attributes:
        tensors: the tensors that share the buffer: a RESHAPE's output is its input, an operator
            that works in place writes over its input; empty for the scratch of one operator.
        offset_bytes, size_bytes: in the arena.
        extents: by step, from the first step with occupied bytes on; each holds until the next.
        ring: rows that the buffer holds at once; None where it holds its tensors whole.
        scratch_of: index of the operator whose scratch it is, or None.
    """

    tensors: tuple[int, ...]
    offset_bytes: int
    size_bytes: int
    extents: tuple[Extent, ...]
    ring: int | None = None
    scratch_of: int | None = None

    def occupied(self, step: int) -> range:
        """Occupied bytes of the buffer during a step."""
        place = bisect.bisect_right(self.extents, step, key=lambda extent: extent.step)
        if place == 0:
            return range(0)
        extent = self.extents[place - 1]
        return range(extent.first_byte, extent.end_byte)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChannels:
    """What the removal of constant channels did to one layer with weights.

    Attributes:
        name, kind: of the operator.
        channels: output channels before.
        constant: how many of them are constant whatever the input.
        removed: how many of them went; others than constant ones where nobody reads them.
        macs_before, macs: multiply-accumulates of one inference; 0 where the layer went.
        weight_bytes_before, weight_bytes: filter and bias.
    """

    name: str
    kind: OpKind
    channels: int
    constant: int
    removed: int
    macs_before: int
    macs: int
    weight_bytes_before: int
    weight_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """A graph with its memory plan.

    Attributes:
        graph: without the operators that are constant.
        target: whose kernels run it.
        steps: the schedule.
        placements: every buffer of the arena.
        arena_bytes: size of the arena.
        lower_bound_bytes: the largest live set; no placement for these steps can be smaller.
        scratch_bytes: the largest scratch of one operator (part of the arena).
        macs: multiply-accumulates of one inference.
        weights_bytes: all constants that the generated code holds for the model.
        channels: of each layer with weights, in the model's order; None where constant channels
            were left in.
    """

    graph: Graph
    target: KernelTarget
    steps: tuple[Step, ...]
    placements: tuple[Placement, ...]
    arena_bytes: int
    lower_bound_bytes: int
    scratch_bytes: int
    macs: int
    weights_bytes: int
    channels: tuple[LayerChannels, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TflmArena:
    """The tensor arena that TensorFlow Lite Micro asks for.

    Attributes:
        arena_bytes: the size to reserve.
        head_bytes: activations and scratch buffers.
        tail_bytes: what stays: descriptions of tensors and operators, data of the kernels.
        peak_bytes: the most that is needed at any moment of the start; TFLM's tables for the
            memory planner may take more than activations do.
    """

    arena_bytes: int
    head_bytes: int
    tail_bytes: int
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelGuard:
    """A kernel that has to be in an image.

    Attributes:
        kind: of the operator that it computes.
        library: that it comes from, for messages.
        symbol_prefix: what the names of its functions start with.
    """

    kind: OpKind
    library: str
    symbol_prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TflmPlan:
    """A model as TensorFlow Lite Micro (TFLM) will run it.

    Attributes:
        graph: each operator of the file is one of it; without attributes.
        runtime: name of the TFLM snapshot (pipeline/plan/tflm/runtimes.py).
        arena: what it asks for.
        registrations: C++ calls, without their object, that register the operators needed.
        guards: kernels that have to be in the image.
        layer_macs: multiply-accumulates of each operator.
        tflite: the file.
    """

    graph: Graph
    runtime: str
    arena: TflmArena
    registrations: tuple[str, ...]
    guards: tuple[KernelGuard, ...]
    layer_macs: tuple[int, ...]
    tflite: bytes = field(compare=False, repr=False)

    @property
    def channels(self) -> None:
        """Constant channels stay in: the file runs as it is."""
        return None

    @property
    def arena_bytes(self) -> int:
        """Size of the tensor arena."""
        return self.arena.arena_bytes

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(self.layer_macs)

    @property
    def weights_bytes(self) -> int:
        """Bytes of the model in flash: the whole file."""
        return len(self.tflite)


# What any engine is planned as.
AnyPlan: TypeAlias = DeployPlan | TflmPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """A folder of generated sources.

    Attributes:
        root: the folder.
        files: paths relative to root, sorted.
        digest: sha256 over names and contents, hex.
    """

    root: Path
    files: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Facts of a board, from boards/<name>/board.toml.

    Attributes:
        name: of the folder.
        description: for people.
        mcu, core: chip and processor core.
        dsp: whether the core runs the kernels of firmware/lib/kernels/dsp.
        clock_hz: of the core; None where it means nothing (hosts).
        flash_bytes, ram_bytes: what a model, its engine and the firmware may use;
            None where there is no limit (hosts).
        clock: what the device's ticks are: "instructions" (emulators), "cycles" or "host".
        instructions_per_tick: exact instructions per tick where clock is "instructions".
        flash_wait_states: of the flash that code runs from, at `clock_hz`; None where no cycles
            are estimated.
        emulators: device kinds that can run the board, in order of preference.
    """

    name: str
    description: str
    mcu: str
    core: str
    dsp: bool
    clock_hz: int | None
    flash_bytes: int | None
    ram_bytes: int | None
    clock: str
    instructions_per_tick: int | None
    flash_wait_states: int | None
    emulators: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareSize:
    """Where the bytes of an image go, read from its ELF.

    Attributes:
        weights_bytes: all constants of the model.
        runtime_bytes: kernels, generated code and what they pull in.
        harness_bytes: protocol, port, start-up.
        flash_bytes: text + data of the image, the sum of the three.
        arena_bytes: the tensor arena.
        static_ram_bytes: data + bss without the arena and without the stack's reserve.
    """

    weights_bytes: int
    runtime_bytes: int
    harness_bytes: int
    flash_bytes: int
    arena_bytes: int
    static_ram_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """A built firmware.

    Attributes:
        build_id: 16 hex digits over sources, board, engine, flags and compiler.
        board, engine: names.
        toolchain: compiler name and version.
        elf_path: the image with symbols.
        size: where its bytes go; None for a host build.
    """

    build_id: str
    board: str
    engine: str
    toolchain: str
    elf_path: Path
    size: FirmwareSize | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSet:
    """Inputs for a device, in the model's own dtype and layout.

    Attributes:
        spec: where they came from, as the user wrote it.
        names: one per sample (file names, or running numbers).
        x: one array [samples, *shape of the input without its batch] per model input.
        y: class index of each sample, int64 [samples], or None without labels.
        skipped: (file, reason) of each file that could not be read.
    """

    spec: str
    names: tuple[str, ...]
    x: tuple[Array, ...] = field(compare=False, repr=False)
    y: npt.NDArray[np.int64] | None = field(default=None, compare=False, repr=False)
    skipped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleEstimate:
    """Cycles by the core's published timings (pipeline/device/cycles.py): never measured.

    Attributes:
        flash_wait_states: that they are estimated for.
        inferences: of each of some inferences.
        layers: of each layer in one inference.
    """

    flash_wait_states: int
    inferences: tuple[int, ...]
    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a device did with a set of inputs.

    Attributes:
        build_id: as the device itself reported it.
        device: kind of device, e.g. "qemu".
        clock: "instructions", "cycles" or "host".
        ticks_per_second: of the device's timer.
        warmup: inferences before the timed ones.
        ticks: of each timed inference, in units of `clock` (instructions where it says so).
        layer_ticks: of each layer in one inference, same unit.
        estimate: of the core's cycles; None where there is none.
        mismatches: samples whose outputs differ from the reference in any bit.
        stack_peak_bytes: deepest stack during inference; None where the device cannot know.
        arena_bytes: as the device reported it.
        outputs: one array [samples, *shape without batch] per model output, raw.
    """

    build_id: str
    device: str
    clock: str
    ticks_per_second: int
    warmup: int
    ticks: tuple[int, ...]
    layer_ticks: tuple[int, ...]
    estimate: CycleEstimate | None = None
    mismatches: int
    stack_peak_bytes: int | None
    arena_bytes: int
    outputs: tuple[Array, ...] = field(compare=False, repr=False)
