"""What weights of four bits cost and save: the tables of docs/quantization.md.

    python tools/low_bit_table.py MODEL.tflite --calibration SPEC --test SPEC \
        --board mps2_an386 --flash 46KiB --flash 43KiB

Prints one row for int8, one for each budget, and one for four bits wherever they save anything.
Layers are rounded and tried on 64 of the calibration samples; accuracies are of BUILTIN_REF on all
test samples; instructions are counted on the board's emulator, whose outputs have to be the same.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from pipeline.data.inputs import load_inputs
from pipeline.device.board import load_board
from pipeline.plan.graph import read_graph
from pipeline.prune.budget import parse_budget
from pipeline.records import Board, InputSet
from pipeline.reference import ReferenceModel
from pipeline.report.progress import Reporter
from pipeline.samples import balanced_accuracy
from pipeline.stages.deployment import Request, deploy
from pipeline.stages.firmware import Target
from pipeline.stages.inputs import input_facts
from pipeline.stages.lowering import lower_model, spread

_DEPLOYED = "random:1:2"


def row(name: str, layers: str, tflite: bytes, test: InputSet, board: Board) -> str:
    """A row of the table."""
    reporter = Reporter(quiet=True)
    scores = ReferenceModel(tflite).run(test.x)[0]
    predicted = scores.reshape(len(scores), -1).argmax(axis=1)
    assert test.y is not None, "the test samples need labels"
    right = int((predicted == test.y).sum())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(tflite)
        request = Request(model=path, inputs=_DEPLOYED, command="low_bit_table.py")
        report: Any = deploy(request, Target(board=board), reporter).report
    instructions = report["instructions_per_inference"]
    middle = instructions["median"] if isinstance(instructions, dict) else instructions
    cells = (
        name,
        layers,
        f"{right:,} of {len(scores):,}",
        f"{100 * balanced_accuracy(predicted, test.y):.1f} %",
        f"{len(tflite):,}",
        f"{report['flash']['weights_bytes']:,}",
        f"{report['flash']['total_bytes'] - report['flash']['framework_bytes']:,}",
        f"{report['ram']['total_bytes']:,}",
        f"{middle:,.0f}",
        f"{report['mismatches']}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--board", default="mps2_an386")
    parser.add_argument("--flash", action="append", default=[])
    options = parser.parse_args()
    board, tflite = load_board(options.board), options.model.read_bytes()
    facts = input_facts(read_graph(options.model))
    calibration = load_inputs(options.calibration, **facts)
    test = load_inputs(options.test, **facts)
    print(
        "| weights | layers of four bits | right | balanced accuracy | .tflite, B | "
        "weights in flash, B | flash, B | RAM, B | instructions | mismatches |"
    )
    print("|---|" + "--:|" * 9)
    print(row("int8", "-", tflite, test, board), flush=True)
    budgets = [
        (f"at most {text}", parse_budget(f"flash={text}").limits["flash"]) for text in options.flash
    ]
    for name, budget in (*budgets, ("four bits", None)):
        result = lower_model(
            tflite,
            spread(calibration.x),
            board=board,
            flash_bytes=budget,
            reporter=Reporter(quiet=True),
        )
        lowered = sum(layer.bits == 4 for layer in result.layers)
        layers = f"{lowered} of {len(result.layers)}"
        print(row(name, layers, result.tflite, test, board), flush=True)


if __name__ == "__main__":
    main()
