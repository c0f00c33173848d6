"""Let convolutions and maximum poolings do the padding of a PAD before them, bit for bit the same.

Keras' MobileNets pad by a layer of their own before each convolution with a stride of two. Kernels
count what lies outside their input as the input's zero point, which is what PAD writes; so the
window begins further outside instead, and the padded copy of the image is never made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pipeline.ops.checks import zero_point_of
from pipeline.ops.convolution import ConvolutionAttrs
from pipeline.ops.pad import PadAttrs
from pipeline.ops.pool_2d import Pool2DAttrs
from pipeline.ops.rows import is_image
from pipeline.ops.table import kernel_call
from pipeline.ops.window import Window
from pipeline.records import FoldedPadding, Graph, KernelTarget, Op, OpKind, Tensor

# What a maximum never is if anything else is there; poolings leave out what is outside.
_LEAST = -128


def fold_padding(graph: Graph, target: KernelTarget) -> tuple[Graph, tuple[FoldedPadding, ...]]:
    """Take out each PAD whose readers can all do its padding themselves, with the same kernels.

    A PAD stays if it pads batches or channels, if it is an output of the model, if a window of a
    reader would lie in the padding altogether, or if only a slower kernel takes so much padding.

    Args:
        graph: the model.
        target: whose kernels are to run it.
    Returns:
        The graph, and what went, in the order of execution.
    Raises:
        UnsupportedModelError: a reader's parameters do not fit its kernel.
    """
    ops = list(graph.ops)
    folded = []
    # From the end, so that of two PADs in a row the second is gone before the first is looked at.
    for pad in reversed(graph.ops):
        if pad.kind is not OpKind.PAD or pad.outputs[0] in graph.outputs:
            continue
        readers = [place for place, op in enumerate(ops) if pad.outputs[0] in op.inputs]
        padded = [_padded(ops[place], pad, graph, target) for place in readers]
        took = [op for op in padded if op is not None]
        if not took or len(took) < len(padded):
            continue
        for place, op in zip(readers, took, strict=True):
            ops[place] = op
        ops.remove(pad)
        folded.append(_record(pad, took))
    numbered = tuple(dataclasses.replace(op, index=place) for place, op in enumerate(ops))
    return dataclasses.replace(graph, ops=numbered), tuple(reversed(folded))


def _padded(op: Op, pad: Op, graph: Graph, target: KernelTarget) -> Op | None:
    """An operator that reads what a PAD reads, and pads; None where it cannot."""
    attrs = op.attrs
    if not isinstance(attrs, ConvolutionAttrs | Pool2DAttrs):
        return None
    x, output = graph.tensors[pad.inputs[0]], graph.tensors[op.outputs[0]]
    if op.kind is OpKind.AVERAGE_POOL_2D or (
        op.kind is OpKind.MAX_POOL_2D and zero_point_of(x) != _LEAST
    ):
        return None
    window = _window(attrs.window, pad, x, output)
    if window is None:
        return None
    made = dataclasses.replace(
        op,
        inputs=(pad.inputs[0], *op.inputs[1:]),
        attrs=dataclasses.replace(attrs, window=window),
    )
    calls = [kernel_call(one, graph, target) for one in (op, made)]
    functions = [call.function for call in calls if call is not None]
    return made if functions[0] == functions[1] else None


def _window(window: Window, pad: Op, x: Tensor, output: Tensor) -> Window | None:
    """The window over the image before its padding; None where it would not always meet it."""
    attrs = pad.attrs
    assert isinstance(attrs, PadAttrs)
    others = [amounts[axis] for amounts in (attrs.before, attrs.after) for axis in (0, 3)]
    if not is_image(x) or any(others):
        return None
    top, left = window.pad_top + attrs.before[1], window.pad_left + attrs.before[2]
    axes = (
        (top, window.reach_h, window.stride_h, x.shape[1], output.shape[1]),
        (left, window.reach_w, window.stride_w, x.shape[2], output.shape[2]),
    )
    for before, reach, stride, size, outputs in axes:
        if before >= reach or (outputs - 1) * stride - before >= size:
            return None
    return dataclasses.replace(window, pad_top=top, pad_left=left)


def _record(pad: Op, readers: Sequence[Op]) -> FoldedPadding:
    attrs = pad.attrs
    assert isinstance(attrs, PadAttrs)
    return FoldedPadding(
        name=pad.name,
        layers=tuple(op.name for op in readers),
        before=(attrs.before[1], attrs.before[2]),
        after=(attrs.after[1], attrs.after[2]),
    )
