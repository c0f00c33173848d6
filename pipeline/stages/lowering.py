"""Weights of four bits under a flash budget that real images of a board have to keep."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.artifacts import read_json
from pipeline.errors import BuildError, ConfigError, DoesNotFitError, MissingToolError
from pipeline.records import Array, Board, DeployPlan, Graph, KernelTarget
from pipeline.report.progress import Reporter
from pipeline.stages.costs import REFERENCE_BOARD
from pipeline.stages.deployment import Request, build_model
from pipeline.stages.firmware import Target
from pipeline.stages.inputs import input_facts
from pipeline.stages.planning import plan_model

if TYPE_CHECKING:
    from pipeline.quantize.low_bit import LowBitResult

# Samples that layers are rounded and tried on.
SAMPLES = 64


def lower_model(
    tflite: bytes,
    x: tuple[Array, ...],
    *,
    board: Board,
    flash_bytes: int | None,
    reporter: Reporter,
    toolchain: str = "auto",
) -> LowBitResult:
    """Give layers weights of four bits until the image for a board keeps a flash budget.

    Args:
        tflite: a model of int8.
        x: calibration samples as the model takes them, one array [samples, ...] per input; the
            first 64 are used.
        board: whose image is built.
        flash_bytes: of the image, without what belongs to a framework; None for all layers.
        reporter: told of everything.
        toolchain: "auto", "gcc" or "zig".
    Raises:
        UnsupportedModelError: it is no usable model.
        DoesNotFitError: not even weights of four bits in all layers are small enough.
        MissingToolError: nothing can be built here.
    """
    from pipeline.plan.graph import parse_graph
    from pipeline.quantize.low_bit import lower_weights

    graph = parse_graph(tflite, "model", "the model")
    images = Images(tflite, board, reporter, toolchain=toolchain)
    samples = tuple(each[:SAMPLES] for each in x)
    with reporter.steps("layers with four bits") as step:
        return lower_weights(
            graph, samples, flash_bytes, images, log=reporter.log, on_progress=step
        )


def lower_file(
    tflite: Path,
    out: Path,
    *,
    data: str,
    board: Board,
    flash_bytes: int | None,
    reporter: Reporter,
    toolchain: str = "auto",
) -> dict[str, Any]:
    """Lower the weights of a file; write it, and compare both on all the samples.

    Args:
        tflite, out: files.
        data: samples, as of `espalier deploy --inputs`; with labels, accuracies are told.
        board, flash_bytes, reporter, toolchain: see `lower_model`.
    Returns:
        The figures as a JSON object.
    Raises:
        PipelineError: any; see `lower_model`.
    """
    from pipeline.data.inputs import load_inputs
    from pipeline.plan.graph import read_graph

    reporter.headline("four-bit weights")
    graph = read_graph(tflite)
    inputs = load_inputs(data, **input_facts(graph))
    before = tflite.read_bytes()
    result = lower_model(
        before,
        spread(inputs.x),
        board=board,
        flash_bytes=flash_bytes,
        reporter=reporter,
        toolchain=toolchain,
    )
    try:
        out.write_bytes(result.tflite)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written: {error}.") from error
    return {
        "model": graph.name,
        "board": board.name,
        "flash_budget_bytes": flash_bytes,
        "tflite_bytes_before": len(before),
        "tflite_bytes": len(result.tflite),
        **low_bit_facts(result),
        **_accuracies(before, result.tflite, inputs.x, inputs.y, reporter),
    }


def spread(x: tuple[Array, ...]) -> tuple[Array, ...]:
    """As many samples as are tried, evenly spread: they often lie class by class."""
    count = len(x[0])
    places = np.linspace(0, count - 1, min(SAMPLES, count)).astype(int)
    return tuple(each[places] for each in x)


def low_bit_facts(result: LowBitResult) -> dict[str, Any]:
    """What became of the layers, as a JSON object."""
    return {
        "flash_bytes_before": result.flash_bytes_before,
        "flash_bytes": result.flash_bytes,
        "divergence": result.divergence,
        "layers": [dataclasses.asdict(layer) for layer in result.layers],
    }


def _accuracies(
    before: bytes,
    after: bytes,
    x: tuple[Array, ...],
    y: Array | None,
    reporter: Reporter,
) -> dict[str, Any]:
    """Shares of the samples that each file puts into their class; None without labels."""
    from pipeline.reference import ReferenceModel

    if y is None:
        return {"samples": len(x[0]), "accuracy_before": None, "accuracy": None}
    right = []
    for name, tflite in (("eight bits", before), ("four bits", after)):
        with reporter.steps(name) as step:
            outputs = ReferenceModel(tflite).run(x, step)[0]
        right.append(float((outputs.reshape(len(outputs), -1).argmax(axis=1) == y).mean()))
    return {"samples": len(x[0]), "accuracy_before": right[0], "accuracy": right[1]}


class Images:
    """What graphs of one model become on a board; see `low_bit.Deployed`.

    What the firmware adds to a model's constants depends on its kernels only: an image is built
    for each set of them.

    Args:
        tflite: the file that the graphs come from.
        board: where they go.
        reporter: told of builds.
        toolchain: "auto", "gcc" or "zig".
    """

    def __init__(
        self, tflite: bytes, board: Board, reporter: Reporter, *, toolchain: str = "auto"
    ) -> None:
        self._tflite, self._reporter, self._toolchain = tflite, reporter, toolchain
        self._board = board
        self._overheads: dict[frozenset[str], int] = {}

    def write(self, graph: Graph) -> bytes:
        """The .tflite file of a graph."""
        from pipeline.plan.write import write_tflite

        return write_tflite(graph, self._tflite)

    def weights_bytes(self, graph: Graph) -> Mapping[int, int]:
        """Flash that the constants of operators take, by index; none for one that goes."""
        from pipeline.plan.deploy import constants_bytes

        plan = self._traced(graph)
        return {int(op.name): constants_bytes(op, plan) for op in plan.graph.ops}

    def kernels(self, graph: Graph) -> Mapping[int, str]:
        """The kernels that operators call, by index; none for one that goes."""
        from pipeline.plan.deploy import kernel_function

        plan = self._traced(graph)
        functions = {int(op.name): kernel_function(op, plan) for op in plan.graph.ops}
        return {index: name for index, name in functions.items() if name is not None}

    def _traced(self, graph: Graph) -> DeployPlan:
        """The plan of a graph, with operators that are called by their numbers in it."""
        # What planning leaves of the operators is found again by their names.
        tensors = list(graph.tensors)
        for op in graph.ops:
            output = tensors[op.outputs[0]]
            tensors[output.index] = dataclasses.replace(output, name=str(op.index))
        graph = dataclasses.replace(graph, tensors=tuple(tensors))
        with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
            return self._plan(graph, Path(folder))

    def flash_bytes(self, graph: Graph) -> int:
        """Flash of the whole image, without what belongs to a framework."""
        from pipeline.plan.deploy import kernel_functions

        with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
            plan = self._plan(graph, Path(folder))
            kernels = kernel_functions(plan)
            if kernels not in self._overheads:
                self._overheads[kernels] = self._build(Path(folder)) - plan.weights_bytes
        return plan.weights_bytes + self._overheads[kernels]

    def _plan(self, graph: Graph, folder: Path) -> DeployPlan:
        path = folder / "model.tflite"
        path.write_bytes(self.write(graph))
        return plan_model(path, target=KernelTarget.DSP if self._board.dsp else None)

    def _build(self, folder: Path) -> int:
        """Flash of an image, on the board, or on one that stands in for it."""
        request = Request(model=folder / "model.tflite", inputs="", command="espalier quantize")
        try:
            return _own_flash_bytes(request, self._board, self._toolchain, self._reporter)
        except (BuildError, ConfigError, DoesNotFitError, MissingToolError) as error:
            from pipeline.device.board import load_board

            # Too large an image tells nothing of how large it is.
            self._reporter.log(f"{self._board.name}: {error}")
            self._reporter.log(f"what firmware adds to a model is taken from {REFERENCE_BOARD}")
            board = load_board(REFERENCE_BOARD)
            return _own_flash_bytes(request, board, self._toolchain, self._reporter)


def _own_flash_bytes(request: Request, board: Board, toolchain: str, reporter: Reporter) -> int:
    built = build_model(request, Target(board=board, toolchain=toolchain), reporter)
    image = read_json(built / "size.json")["size"]
    if image is None:
        raise BuildError(f"board {board.name}: sizes of its images cannot be read.")
    firmware = image["firmware"]
    return int(firmware["weights_bytes"] + firmware["runtime_bytes"] + firmware["harness_bytes"])
