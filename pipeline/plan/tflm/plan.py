"""Put together what the generator needs to run a model with TensorFlow Lite Micro."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.ops.base import RawOp
from pipeline.plan.file_model import FileModel
from pipeline.plan.graph import parse_file_model
from pipeline.plan.tflm.arena import predict_arena
from pipeline.plan.tflm.operators import KERNEL_PREFIXES, OPERATORS
from pipeline.plan.tflm.runtimes import Runtime
from pipeline.records import INT4, Graph, KernelGuard, Op, OpKind, TflmPlan


def make_tflm_plan(path: Path, runtime: Runtime) -> TflmPlan:
    """Plan a .tflite for TFLM, which runs the file as it is.

    Args:
        path: the file.
        runtime: the TFLM that will run it.
    Raises:
        ConfigError: the file cannot be read.
        UnsupportedModelError: it is no usable model, or this TFLM cannot run it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the model '{path}': {error.strerror}.") from error
    model = parse_file_model(data, path.stem, str(path), "tflm")
    check_supported(model, runtime)
    return TflmPlan(
        graph=_graph(model),
        runtime=runtime.name,
        arena=predict_arena(model, runtime),
        registrations=registrations(model.ops),
        guards=_guards(model.ops, runtime),
        layer_macs=tuple(_macs(raw) for raw in model.ops),
        tflite=data,
    )


def check_supported(model: FileModel, runtime: Runtime) -> None:
    """Refuse what a TFLM does not have, or would silently get wrong.

    Raises:
        UnsupportedModelError: with every operator that it does not have.
    """
    if not model.ops:
        raise UnsupportedModelError(
            f"{model.name}: the model must compute something. Received: no operator. Give the "
            "model of a network."
        )
    missing = sorted({raw.kind.value for raw in model.ops} & {k.value for k in runtime.missing})
    if missing:
        raise UnsupportedModelError(
            f"{model.name}: every operator must be one of {runtime.title}. Received: "
            f"{', '.join(missing)}. Use --engine aot, which has them, or build the model without."
        )
    for raw in model.ops:
        for tensor in raw.inputs:
            if tensor is not None and tensor.dtype == INT4:
                # Some snapshots have kernels for it, which unpack a whole filter into the arena at
                # every inference; none takes it for all operators.
                raise UnsupportedModelError(
                    f"{raw.label}: engine tflm takes weights of int8. Received: int4. Use --engine "
                    "aot, or the model from before `espalier quantize --flash`."
                )
    if runtime.per_channel_fully_connected:
        return
    for raw in model.ops:
        weights = raw.inputs[1] if raw.kind is OpKind.FULLY_CONNECTED else None
        if weights is not None and weights.quant is not None and len(weights.quant.scale) > 1:
            raise UnsupportedModelError(
                f"{raw.label}: {runtime.title} takes one scale for all outputs of a "
                f"FULLY_CONNECTED. Received: {len(weights.quant.scale)} scales. Use --engine aot, "
                "or convert with _experimental_disable_per_channel_quantization_for_dense_layers."
            )


def registrations(ops: Sequence[RawOp]) -> tuple[str, ...]:
    """The calls that register each kind of operator, in the order in which they occur."""
    kinds = dict.fromkeys(raw.kind for raw in ops)
    calls = []
    for kind in kinds:
        operator = OPERATORS[kind]
        only_int8 = all(_is_int8(raw) for raw in ops if raw.kind is kind)
        argument = f"tflite::{operator.int8}()" if operator.int8 and only_int8 else ""
        calls.append(f"{operator.method}({argument})")
    return tuple(calls)


def _guards(ops: Sequence[RawOp], runtime: Runtime) -> tuple[KernelGuard, ...]:
    prefixes = KERNEL_PREFIXES[runtime.kernels]
    kinds = dict.fromkeys(raw.kind for raw in ops if _is_int8(raw))
    return tuple(
        KernelGuard(kind=kind, library=runtime.kernels.value, symbol_prefix=prefixes[kind])
        for kind in kinds
        if kind in prefixes
    )


def _is_int8(raw: RawOp) -> bool:
    data = raw.inputs[0]
    return data is not None and data.dtype == raw.outputs[0].dtype == "int8"


def _graph(model: FileModel) -> Graph:
    ops = tuple(
        Op(
            index=index,
            kind=raw.kind,
            name=raw.name,
            inputs=tuple(-1 if tensor is None else tensor.index for tensor in raw.inputs),
            outputs=tuple(tensor.index for tensor in raw.outputs),
            attrs=None,
        )
        for index, raw in enumerate(model.ops)
    )
    return Graph(
        name=model.name,
        sha256=hashlib.sha256(model.data).hexdigest(),
        tflite_bytes=len(model.data),
        tensors=model.tensors,
        ops=ops,
        inputs=model.inputs,
        outputs=model.outputs,
    )


def _macs(raw: RawOp) -> int:
    """Multiply-accumulates of an operator, padding included."""
    y = raw.outputs[0]
    weights = raw.inputs[1] if len(raw.inputs) > 1 else None
    if weights is None or not weights.shape:
        return 0
    if raw.kind is OpKind.CONV_2D:
        return math.prod(y.shape[:3]) * weights.num_elements
    if raw.kind is OpKind.DEPTHWISE_CONV_2D:
        return y.num_elements * math.prod(weights.shape[1:3])
    if raw.kind is OpKind.FULLY_CONNECTED:
        return y.num_elements * weights.shape[-1]
    if raw.kind is OpKind.TRANSPOSE_CONV and raw.inputs[2] is not None:
        return math.prod(raw.inputs[2].shape[:3]) * weights.num_elements
    return 0
