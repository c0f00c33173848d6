"""ARG_MAX: of int8, along one constant axis, to int32 or int64."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import (
    input_of,
    require,
    require_constant,
    require_counts,
    require_int8,
)
from pipeline.records import Graph, Op

# Words of 32 bits in each type of output.
_WORDS = {"int32": 1, "int64": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMaxAttrs:
    """Attributes of ARG_MAX: the input seen as [outer, length, inner]."""

    outer: int
    length: int
    inner: int


def parse(raw: RawOp) -> ArgMaxAttrs:
    """Check shapes, types and the axis; see `OpModule.parse`."""
    require_counts(raw, (2, 2))
    x, output = input_of(raw, 0), raw.outputs[0]
    require_int8(raw, x)
    require(
        output.dtype in _WORDS,
        raw,
        f"tensor '{output.name}' must be int32 or int64",
        output.dtype,
        "Leave the type of tf.argmax's output at its default.",
    )
    axes = np.ravel(require_constant(raw, input_of(raw, 1), "the axis")).tolist()
    rank = len(x.shape)
    require(
        len(axes) == 1 and -rank <= axes[0] < rank,
        raw,
        f"the axis must be one in {-rank} .. {rank - 1}",
        axes,
        "The file is damaged; convert the model again.",
    )
    axis = int(axes[0]) % rank
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    require(
        output.shape == shape,
        raw,
        f"the output must be {shape}",
        output.shape,
        "The file is damaged; convert the model again.",
    )
    return ArgMaxAttrs(
        outer=math.prod(x.shape[:axis]),
        length=x.shape[axis],
        inner=math.prod(x.shape[axis + 1 :]),
    )


def macs(op: Op, graph: Graph) -> int:
    """A comparison multiplies nothing."""
    return 0


def row_windows(op: Op, graph: Graph) -> None:
    """The kernel takes whole tensors."""


def call(op: Op, graph: Graph) -> KernelCall:
    """arg_max_s8; see `OpModule.call`."""
    attrs = op.attrs
    assert isinstance(attrs, ArgMaxAttrs)
    return KernelCall(
        function="arg_max_s8",
        header="arg_max_s8.h",
        params_type="arg_max_params",
        fields=fields_of(
            label_of(op),
            outer=("uint32_t", attrs.outer),
            length=("uint32_t", attrs.length),
            inner=("uint32_t", attrs.inner),
            words=("uint32_t", _WORDS[graph.tensors[op.outputs[0]].dtype]),
        ),
        constants=(),
        tensors=(op.inputs[0], op.outputs[0]),
    )
