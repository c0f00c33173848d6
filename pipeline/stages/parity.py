"""One model on the same inputs everywhere: from float to the device, as one table."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.device.board import load_board
from pipeline.errors import ConfigError, MissingToolError, PipelineError, UnsupportedModelError
from pipeline.records import Array, Board, Graph, InputSet
from pipeline.report.progress import Reporter
from pipeline.stages.deployment import Request, deploy
from pipeline.stages.firmware import Target
from pipeline.stages.inputs import input_facts
from pipeline.stages.quantizing import QuantizeSettings, post_training
from pipeline.stages.subjects import calibrating, calibration_samples, load_subject

_HOST = "host"
_KERAS = (".keras", ".h5")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityRequest:
    """What is compared.

    Attributes:
        model: a .tflite, or a .keras with `data`.
        float_model: the Keras model of a .tflite; None for none.
        data: what calibrates a .keras.
        inputs: spec of the inputs, as of `espalier deploy --inputs`.
        board: the device, besides this computer.
        emulator: one of the board's devices, or "auto".
    """

    model: Path
    float_model: Path | None
    data: str | None
    inputs: str
    board: Board
    emulator: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The comparison, and what kept the engine from taking part in it.

    Attributes:
        report: the JSON object; docs/quantization.md describes every key.
        failure: the first error of the generated engine; None where it ran everywhere.
    """

    report: dict[str, Any]
    failure: PipelineError | None


def check_parity(request: ParityRequest, reporter: Reporter) -> Parity:
    """Run a model on the same inputs as float, by TFLite, TFLM and the generated engine.

    Nothing is left out: what cannot take part has a row that says why.

    Raises:
        ConfigError: a .keras without data, or inputs that do not fit.
        UnsupportedModelError: a model that TFLite cannot run.
    """
    from pipeline.data.inputs import load_inputs
    from pipeline.plan.graph import read_graph
    from pipeline.reference import ReferenceModel

    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        tflite = _quantized(request, Path(folder), reporter)
        graph, content = read_graph(tflite), tflite.read_bytes()
        inputs = load_inputs(request.inputs, **input_facts(graph))
        reporter.headline("parity")
        with reporter.steps("reference") as step:
            expected = ReferenceModel(content).run(inputs.x, step)
        rows = [
            _float_row(request, content, inputs, expected),
            _row("int8, TFLite reference", expected, expected),
            _attempt(
                "int8, TFLM on this computer", lambda: _host_tflm(content, graph, inputs), expected
            ),
        ]
        failure: PipelineError | None = None
        for board in dict.fromkeys((_HOST, request.board.name)):
            row, error = _engine_row(request, tflite, board, expected, reporter)
            rows.append(row)
            failure = failure or error
    report = {
        "model": request.model.name,
        "inputs": request.inputs,
        "samples": len(inputs.x[0]),
        "board": request.board.name,
        "rows": rows,
        "mismatches": sum(row["mismatches"] or 0 for row in rows if row["engine"] == "aot"),
    }
    return Parity(report=report, failure=failure)


def _quantized(request: ParityRequest, folder: Path, reporter: Reporter) -> Path:
    """The .tflite of a request: the file itself, or what a .keras becomes with data."""
    if request.model.suffix not in _KERAS:
        return request.model
    data = calibrating(request.data, request.model)
    settings = QuantizeSettings()
    loaded, samples = load_subject(request.model, data, settings.seed, reporter)
    chosen = calibration_samples(samples, settings.samples, settings.seed, reporter)
    post = post_training(loaded, samples[0].x[chosen], settings, reporter)
    path = folder / f"{request.model.stem}.tflite"
    path.write_bytes(post.quantize(settings.ptq))
    return path


def _float_row(
    request: ParityRequest, content: bytes, inputs: InputSet, expected: Sequence[Array]
) -> dict[str, Any]:
    """The Keras model on the real values that the quantized inputs stand for."""
    from pipeline.model.load import load_model
    from pipeline.quantize.evaluate import predict_float, predicted_classes
    from pipeline.reference import ReferenceModel

    name = "float, Keras"
    path = request.model if request.model.suffix in _KERAS else request.float_model
    if path is None:
        return _absent(name, "not given: --float MODEL.keras")
    if len(inputs.x) != 1 or len(expected) != 1:
        return _absent(name, "compared only for one input and one output")
    reference = ReferenceModel(content)
    scale, zero_point = reference.input_quantization
    x = (inputs.x[0].astype(np.float32) - zero_point) * np.float32(scale) if scale else inputs.x[0]
    model = load_model(path).model
    if tuple(model.input_shape[1:]) != x.shape[1:]:
        raise ConfigError(
            f"--float {path}: expected the model that the .tflite was made from, with inputs of "
            f"{list(x.shape[1:])}. Received: one with {list(model.input_shape[1:])}."
        )
    scores = predict_float(model, x)
    scale, zero_point = reference.output_quantization
    real = (expected[0].astype(np.float32) - zero_point) * np.float32(scale or 1)
    flat, real = scores.reshape(len(x), -1), real.reshape(len(x), -1)
    same = predicted_classes(flat) == predicted_classes(real)
    return {
        **_absent(name, ""),
        "crc32": _crc([scores]),
        "same_class": int(same.sum()),
        "largest_difference": float(np.abs(flat - real).max()),
    }


def _host_tflm(content: bytes, graph: Graph, inputs: InputSet) -> Sequence[Array]:
    from pipeline.device.tflm_host import run_on_host

    shapes = [graph.tensors[index].shape for index in graph.inputs]
    batched = [
        values.reshape(len(values), *shape) for values, shape in zip(inputs.x, shapes, strict=True)
    ]
    return run_on_host(content, batched).outputs


def _attempt(
    name: str, run: Callable[[], Sequence[Array]], expected: Sequence[Array]
) -> dict[str, Any]:
    try:
        return _row(name, run(), expected)
    except MissingToolError as error:
        return _absent(name, f"not installed: {error}")
    except UnsupportedModelError as error:
        return _absent(name, f"failed: {error}")


def _engine_row(
    request: ParityRequest,
    tflite: Path,
    board: str,
    expected: Sequence[Array],
    reporter: Reporter,
) -> tuple[dict[str, Any], PipelineError | None]:
    """The generated engine on one board, and the error that kept it from there."""
    name = "int8, aot on this computer" if board == _HOST else f"int8, aot on {board}"
    emulator = request.emulator if board == request.board.name else "auto"
    target = Target(board=load_board(board), emulator=emulator, warmup=0)
    asked = Request(model=tflite, inputs=request.inputs, command=f"espalier parity {tflite.name}")
    try:
        deployment = deploy(asked, target, reporter)
    except PipelineError as error:
        return {**_absent(name, f"failed: {error}"), "engine": "aot"}, error
    row = _row(name, deployment.measurement.outputs, expected)
    kind = deployment.measurement.device
    return {**row, "engine": "aot", "name": name if kind == _HOST else f"{name} ({kind})"}, None


def _row(name: str, outputs: Sequence[Array], expected: Sequence[Array]) -> dict[str, Any]:
    samples = len(expected[0])
    differs = np.zeros(samples, bool)
    largest = 0.0
    for received, wanted in zip(outputs, expected, strict=True):
        mine, other = (
            values.reshape(samples, -1).astype(np.float64) for values in (received, wanted)
        )
        differs |= (mine != other).any(axis=1)
        largest = max(largest, float(np.abs(mine - other).max(initial=0)))
    return {
        **_absent(name, ""),
        "mismatches": int(differs.sum()),
        "crc32": _crc(outputs),
        "largest_difference": largest,
    }


def _absent(name: str, reason: str) -> dict[str, Any]:
    return {
        "name": name,
        "engine": None,
        "mismatches": None,
        "crc32": None,
        "same_class": None,
        "largest_difference": None,
        "reason": reason,
    }


def _crc(outputs: Sequence[Array]) -> str:
    """CRC-32 of all outputs, one after the other, as they lie in memory."""
    value = 0
    for output in outputs:
        value = zlib.crc32(np.ascontiguousarray(output).tobytes(), value)
    return f"{value:08x}"
