"""Deploy the reference models and print their figures beside TensorFlow Lite Micro's.

The models lie in ../shared/models beside the checkout, or in models/ where the environment variable
ESPALIER_SHARED points; those that are missing are named and left out. Speed and sizes come from one
compiler and one emulator; --full compares the outputs on every other pair of them, too. Exit status
1 when a model fails or its outputs differ.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.artifacts import hash_file, read_json, tool_versions, write_json
from pipeline.device.board import load_board
from pipeline.device.qemu import PROGRAM as QEMU
from pipeline.device.select import resolve_emulator
from pipeline.errors import PipelineError
from pipeline.plan.graph import read_graph
from pipeline.records import DeployPlan
from pipeline.report.bench import bench_report, bench_row
from pipeline.report.bench_tables import bench_tables
from pipeline.report.progress import Reporter
from pipeline.report.tables import print_tables
from pipeline.stages import Deployment, Request, Target, deploy
from tests.exact import samples, save_inputs, smooth_samples

ROOT = Path(__file__).resolve().parent.parent
ANCHORS = Path(__file__).with_name("tflm_cortex_m4f.json")
_PACKAGES = ("ai-edge-litert", "capstone", "numpy", "platformio", "unicorn", "ziglang")


def main() -> int:
    """Run the bench; returns the exit status."""
    options = parse_arguments()
    models = Path(os.environ.get("ESPALIER_SHARED") or ROOT.parent / "shared") / "models"
    anchors = read_json(ANCHORS)
    targets = targets_of(options)
    reporter = Reporter()
    rows = []
    for anchor in anchors["models"]:
        path = models / f"{anchor['model']}.tflite"
        if options.model and anchor["model"] not in options.model:
            continue
        if not path.is_file():
            print(f"bench: {anchor['model']} left out: no {path}", file=sys.stderr)
            continue
        rows.append(bench_model(path, anchor, targets, reporter))
    if not rows:
        print(
            "bench: no reference models. Set ESPALIER_SHARED to the folder that holds models/.",
            file=sys.stderr,
        )
        return 2
    report = bench_report(rows, {**tools_of(targets, rows), "tflm": anchors["tools"]})
    print_tables(bench_tables(report))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.json, report)
    print(f"written to {options.json}")
    return int(any("error" in row or any(row["mismatches"].values()) for row in rows))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=ROOT / ".cache" / "bench.json")
    parser.add_argument("--board", default="mps2_an386")
    parser.add_argument("--emulator", default="auto")
    parser.add_argument("--toolchain", default="auto", choices=("auto", "gcc", "zig"))
    parser.add_argument("--model", action="append", help="only this one (repeatable)")
    parser.add_argument(
        "--full", action="store_true", help="every compiler on every emulator that is installed"
    )
    return parser.parse_args()


def targets_of(options: argparse.Namespace) -> list[Target]:
    """The target that is measured, and with --full the others after it."""
    board = load_board(options.board)
    main = Target(
        board=board,
        toolchain=options.toolchain,
        emulator=resolve_emulator(options.emulator, board),
    )
    if not options.full:
        return [main]
    compilers = [
        kind
        for kind, found in (
            ("gcc", shutil.which("arm-none-eabi-gcc")),
            ("zig", importlib.util.find_spec("ziglang")),
        )
        if found
    ]
    emulators = [kind for kind in board.emulators if kind != "qemu" or shutil.which(QEMU)]
    pairs = itertools.product(compilers, emulators)
    if main.toolchain == "auto":
        main = Target(board=board, toolchain=compilers[0], emulator=main.emulator)
    others = [Target(board=board, toolchain=c, emulator=e) for c, e in pairs]
    return [main, *(other for other in others if other != main)]


def bench_model(
    path: Path, anchor: Mapping[str, Any], targets: Sequence[Target], reporter: Reporter
) -> dict[str, Any]:
    """One row of the bench; a model that fails has an "error" instead of figures."""
    try:
        if hash_file(path) != anchor["sha256"]:
            raise PipelineError(
                f"{path}: expected the model of TFLM's figures, sha256 {anchor['sha256']}. "
                "Received: another."
            )
        done = [deploy_to(path, target, reporter) for target in targets]
    except PipelineError as error:
        reporter.log(str(error))
        return {"model": path.stem, "error": type(error).__name__, "message": str(error)}
    mismatches = {
        f"{one.report['toolchain']}, {one.report['emulator']}": one.report["mismatches"]
        for one in done
    }
    plan = done[0].plan
    assert isinstance(plan, DeployPlan)  # of engine aot
    return bench_row(done[0].report, plan, anchor, mismatches)


def deploy_to(path: Path, target: Target, reporter: Reporter) -> Deployment:
    """Deploy on random, extreme and smooth inputs: random ones alone saturate some models."""
    reporter.headline(f"== {path.stem}, {target.toolchain}, {target.emulator}")
    graph = read_graph(path)
    chosen = [*samples(graph, seed=1), *smooth_samples(graph, 4)]
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npz"
        save_inputs(inputs, chosen)
        request = Request(model=path, inputs=str(inputs), command=f"espalier deploy {path.name}")
        return deploy(request, target, reporter)


def tools_of(targets: Sequence[Target], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Versions of everything that the figures depend on."""
    tools: dict[str, Any] = {
        "espalier": __version__,
        "python": platform.python_version(),
        "board": targets[0].board.name,
        "ways": sorted({way for row in rows for way in row.get("mismatches", ())}),
        **tool_versions(_PACKAGES),
    }
    if any(target.emulator == "qemu" for target in targets):
        said = subprocess.run([QEMU, "--version"], check=True, capture_output=True, text=True)
        tools["qemu"] = said.stdout.splitlines()[0]
    return tools


if __name__ == "__main__":
    sys.exit(main())
