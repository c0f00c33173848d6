"""A quantized model: tensors, operators and the graph they form."""

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.generic]

# Of the arena as a whole.
ARENA_ALIGNMENT_BYTES = 16
# Of every buffer in it: kernels load and store words.
TENSOR_ALIGNMENT_BYTES = 4

# Of tensors whose values take half a byte each in a file and in flash. NumPy has no such type: a
# constant of it is held as int8.
INT4 = "int4"


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
    """A tensor of a graph.

    Attributes:
        index, name, shape: as in the file.
        dtype: NumPy's name, or INT4.
        quant: None for a tensor that is not quantized.
        constant: the value where it has one, read-only; of INT4, as int8.
    """

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
        """Bytes of the tensor in memory; two values of INT4 share one."""
        if self.dtype == INT4:
            return -(-self.num_elements // 2)
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
