"""Operators of TensorFlow Lite Micro: how they are registered, and their kernels' names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.plan.tflm.runtimes import Kernels
from pipeline.records import OpKind


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the op resolver.

    Attributes:
        method: of `MicroMutableOpResolver` that registers it.
        int8: function that gives the registration for int8 alone, which links no kernel for other
            types; "" where not every snapshot has one.
    """

    method: str
    int8: str = ""


OPERATORS: Mapping[OpKind, Operator] = {
    OpKind.ADD: Operator("AddAdd", "Register_ADD_INT8"),
    OpKind.ARG_MAX: Operator("AddArgMax"),
    OpKind.AVERAGE_POOL_2D: Operator("AddAveragePool2D", "Register_AVERAGE_POOL_2D_INT8"),
    OpKind.CONCATENATION: Operator("AddConcatenation"),
    OpKind.CONV_2D: Operator("AddConv2D", "Register_CONV_2D_INT8"),
    OpKind.DEPTHWISE_CONV_2D: Operator("AddDepthwiseConv2D", "Register_DEPTHWISE_CONV_2D_INT8"),
    OpKind.DEPTH_TO_SPACE: Operator("AddDepthToSpace"),
    OpKind.DEQUANTIZE: Operator("AddDequantize"),
    OpKind.EXPAND_DIMS: Operator("AddExpandDims"),
    OpKind.FULLY_CONNECTED: Operator("AddFullyConnected", "Register_FULLY_CONNECTED_INT8"),
    OpKind.HARD_SWISH: Operator("AddHardSwish"),
    OpKind.LEAKY_RELU: Operator("AddLeakyRelu"),
    OpKind.LOGISTIC: Operator("AddLogistic"),
    OpKind.MAXIMUM: Operator("AddMaximum"),
    OpKind.MAX_POOL_2D: Operator("AddMaxPool2D", "Register_MAX_POOL_2D_INT8"),
    OpKind.MEAN: Operator("AddMean"),
    OpKind.MINIMUM: Operator("AddMinimum"),
    OpKind.MUL: Operator("AddMul", "Register_MUL_INT8"),
    OpKind.PACK: Operator("AddPack"),
    OpKind.PAD: Operator("AddPad"),
    OpKind.PRELU: Operator("AddPrelu"),
    OpKind.QUANTIZE: Operator("AddQuantize"),
    OpKind.REDUCE_MAX: Operator("AddReduceMax"),
    OpKind.RELU: Operator("AddRelu"),
    OpKind.RELU6: Operator("AddRelu6"),
    OpKind.RESHAPE: Operator("AddReshape"),
    OpKind.RESIZE_BILINEAR: Operator("AddResizeBilinear"),
    OpKind.RESIZE_NEAREST_NEIGHBOR: Operator("AddResizeNearestNeighbor"),
    OpKind.SHAPE: Operator("AddShape"),
    OpKind.SLICE: Operator("AddSlice"),
    OpKind.SOFTMAX: Operator("AddSoftmax", "Register_SOFTMAX_INT8"),
    OpKind.SPACE_TO_DEPTH: Operator("AddSpaceToDepth"),
    OpKind.SPLIT: Operator("AddSplit"),
    OpKind.SPLIT_V: Operator("AddSplitV"),
    OpKind.SQUEEZE: Operator("AddSqueeze"),
    OpKind.STRIDED_SLICE: Operator("AddStridedSlice"),
    OpKind.SUB: Operator("AddSub"),
    OpKind.TANH: Operator("AddTanh"),
    OpKind.TRANSPOSE: Operator("AddTranspose"),
    OpKind.TRANSPOSE_CONV: Operator("AddTransposeConv"),
    OpKind.UNPACK: Operator("AddUnpack"),
}

# What the names of the optimised int8 kernels start with, by whose they are.
KERNEL_PREFIXES: Mapping[Kernels, Mapping[OpKind, str]] = {
    Kernels.REFERENCE: {},
    Kernels.CMSIS_NN: {
        OpKind.ADD: "arm_elementwise_add_s8",
        OpKind.AVERAGE_POOL_2D: "arm_avgpool_s8",
        OpKind.CONV_2D: "arm_convolve",
        OpKind.DEPTHWISE_CONV_2D: "arm_depthwise_conv",
        OpKind.FULLY_CONNECTED: "arm_fully_connected",
        OpKind.MAX_POOL_2D: "arm_max_pool_s8",
        OpKind.MUL: "arm_elementwise_mul_s8",
        OpKind.SOFTMAX: "arm_softmax_s8",
    },
    Kernels.ESP_NN: {
        OpKind.ADD: "esp_nn_add_elementwise_s8",
        OpKind.AVERAGE_POOL_2D: "esp_nn_avg_pool_s8",
        OpKind.CONV_2D: "esp_nn_conv_s8",
        OpKind.DEPTHWISE_CONV_2D: "esp_nn_depthwise_conv_s8",
        OpKind.FULLY_CONNECTED: "esp_nn_fully_connected_s8",
        OpKind.MAX_POOL_2D: "esp_nn_max_pool_s8",
        OpKind.MUL: "esp_nn_mul_elementwise_s8",
        OpKind.SOFTMAX: "esp_nn_softmax_s8",
    },
}
