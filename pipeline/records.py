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
class FoldedPadding:
    """A PAD that the layers behind it do themselves.

    Attributes:
        name: of the PAD.
        layers: names of the layers that pad instead.
        before, after: rows and columns of padding.
    """

    name: str
    layers: tuple[str, ...]
    before: tuple[int, int]
    after: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """A graph with its memory plan.

    Attributes:
        graph: without the operators that are constant, and without folded padding.
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
        folded_padding: what became part of the layers that read it.
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
    folded_padding: tuple[FoldedPadding, ...] = ()


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
        clock: what the ticks are on the real thing: "cycles", "microseconds", "host", or
            "instructions" where there is no real thing.
        instructions_per_tick: exact instructions per tick where clock is "instructions"; an
            emulated cycle counter counts each of them.
        flash_wait_states: of the flash that code runs from, at `clock_hz`; None where no cycles
            are estimated.
        emulators: device kinds that can run the board, in order of preference.
        usb_ids: "vendor:product" of its USB serial port, four lower-case hex digits each.
        upload: how an image gets onto it: "touch" (its port is opened at 1200 baud, then
            bossac), "esptool", or "" where nothing can be uploaded from here.
        arena_bytes: the largest tensor arena that the linker takes in one piece; None where
            only the RAM as a whole sets a limit.
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
    usb_ids: tuple[str, ...] = ()
    upload: str = ""
    arena_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareSize:
    """Where the bytes of an image go, read from its ELF.

    Attributes:
        weights_bytes: all constants of the model.
        runtime_bytes: kernels, generated code and what they pull in.
        harness_bytes: protocol, port, start-up.
        flash_bytes: text + data of the image, the sum of these three and of framework_bytes.
        arena_bytes: the tensor arena.
        static_ram_bytes: data + bss without the arena and without the stack's reserve; of the
            firmware alone where a framework has some, too.
        framework_bytes: flash of a framework (Arduino core, RTOS), and what cannot be told apart
            from it there: the compiler's library, string literals, padding. 0 without a framework.
        framework_ram_bytes: the same of data + bss, with stacks that the framework reserves there.
    """

    weights_bytes: int
    runtime_bytes: int
    harness_bytes: int
    flash_bytes: int
    arena_bytes: int
    static_ram_bytes: int
    framework_bytes: int = 0
    framework_ram_bytes: int = 0


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
        clock: what the device's ticks are: "instructions" (emulators), "cycles", "microseconds"
            (boards) or "host".
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


class PixelFormat(Enum):
    """How a camera stores a pixel."""

    RGB565 = "rgb565"  # two bytes, the high one first, as sensors send it
    RGB565_LE = "rgb565le"  # two bytes, the low one first
    RGB888 = "rgb888"  # three bytes: red, green, blue
    GREY = "grey"  # one byte

    @property
    def bytes_per_pixel(self) -> int:
        """Bytes of one pixel."""
        return {PixelFormat.RGB888: 3, PixelFormat.GREY: 1}.get(self, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFormat:
    """The frames of a camera, and how they are brought to a model's input.

    Attributes:
        width, height: in pixels.
        pixels: how each is stored; rows follow each other without gaps, the top one first.
        fit: "crop" or "fit", as in pipeline/data/resize.py.
    """

    width: int
    height: int
    pixels: PixelFormat
    fit: str = "crop"

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.width * self.pixels.bytes_per_pixel

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return self.row_bytes * self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Taps:
    """What one output of a resampling is made of: a weighted sum of neighbouring sources.

    Attributes:
        first: position of the first source.
        weights: of it and those that follow, in units of 2**-22; the first and the last are not 0.
    """

    first: int
    weights: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePlan:
    """How a camera's frame becomes the input of a model.

    Attributes:
        camera: the frames.
        height, width, channels: of the input; 1 or 3 channels.
        dtype: of the input, "int8" (pixel - 128) or "uint8" (pixel).
        columns, rows: of the picture within the input, each as a sum of the frame's.
        left, top: columns and rows of grey before the picture.
    """

    camera: CameraFormat
    height: int
    width: int
    channels: int
    dtype: str
    columns: tuple[Taps, ...]
    rows: tuple[Taps, ...]
    left: int
    top: int

    @property
    def planes(self) -> int:
        """Channels that are resampled; a grey frame has one, whatever the model takes."""
        return 1 if self.camera.pixels is PixelFormat.GREY else self.channels

    @property
    def line_rows(self) -> int:
        """Resampled rows that are needed at once."""
        return max(len(taps.weights) for taps in self.rows)

    @property
    def line_bytes(self) -> int:
        """Memory for them."""
        return self.line_rows * len(self.columns) * self.planes


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a quantity is distributed over its observations, in their unit.

    Attributes:
        count: of observations.
        median, p95: values that occurred: at least half, and at least 95 %, are no larger.
        mean: arithmetic.
        stdev: sample standard deviation (divisor count - 1); 0 of a single observation.
        min, max: smallest and largest.
    """

    count: int
    median: int
    p95: int
    mean: float
    stdev: float
    min: int
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCheck:
    """A device's clock against the host's over one interval.

    Attributes:
        host_s, device_s: length of the interval on each; the host's is the middle of what it can
            have been.
        drift_percent: by how much the device's is longer; negative where it is shorter.
        uncertainty_percent: how far off drift_percent may be, because questions and answers take
            time.
    """

    host_s: float
    device_s: float
    drift_percent: float
    uncertainty_percent: float

    @property
    def fast_percent(self) -> float:
        """By how much the device's clock is fast at least; 0 where it may be right."""
        return max(0.0, self.drift_percent - self.uncertainty_percent)

    @property
    def slow_percent(self) -> float:
        """By how much the device's clock is slow at least; 0 where it may be right."""
        return max(0.0, -self.drift_percent - self.uncertainty_percent)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardMeasurement:
    """What a board on a serial port did with a set of inputs.

    Attributes:
        measurement: what every device tells; ticks are those of all timed inferences, in order,
            going round the inputs; mismatches are inputs that any inference got wrong; outputs
            are those of the first round.
        ticks: of the timed inferences.
        port: where the board is.
        board, engine, model_sha256: as the device reported them.
        inferences: compared with the reference, timed or not, without the warm-up.
        round_trip_us: of the timed inferences on the host's clock, with the bytes both ways.
        clock_check: the device's clock against the host's; None where the device has no time.
        free_heap_bytes: after the inferences; None where there is no heap.
        reset_reason: why the board started last.
    """

    measurement: Measurement
    ticks: Spread
    port: str
    board: str
    engine: str
    model_sha256: str
    inferences: int
    round_trip_us: Spread
    clock_check: ClockCheck | None
    free_heap_bytes: int | None
    reset_reason: str
