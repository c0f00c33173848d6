"""Deploy the reference models and print their figures beside TensorFlow Lite Micro's.

The models and the anchors lie in ../shared beside the checkout, or where the environment
variable ESPALIER_SHARED points. Exit status 1 when a model fails or its outputs differ.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.artifacts import read_json, write_json
from pipeline.device.board import load_board
from pipeline.errors import PipelineError
from pipeline.report.progress import Reporter
from pipeline.report.tables import bench_table, print_tables
from pipeline.stages import Request, Target, deploy

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run the bench; returns the exit status."""
    options = parse_arguments()
    shared = Path(os.environ.get("ESPALIER_SHARED") or ROOT.parent / "shared")
    anchors_path = shared / "anchors" / "tflm_cortex_m4f.json"
    if not anchors_path.is_file():
        print(
            f"bench: no reference models: expected {anchors_path}. Set ESPALIER_SHARED to the "
            "folder that holds models/ and anchors/.",
            file=sys.stderr,
        )
        return 2
    target = Target(
        board=load_board(options.board), emulator=options.emulator, toolchain=options.toolchain
    )
    reporter = Reporter()
    rows = []
    for anchor in read_json(anchors_path)["models"]:
        if options.model and anchor["model"] not in options.model:
            continue
        rows.append(
            bench_model(shared / "models" / f"{anchor['model']}.tflite", anchor, target, reporter)
        )
    print_tables(bench_table(rows))
    print("TFLM: int8-only registrations; ratios are instructions of ours over theirs.")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.json, {"board": options.board, "models": rows})
    print(f"written to {options.json}")
    return int(any("error" in row or row["mismatches"] for row in rows))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=ROOT / ".cache" / "bench.json")
    parser.add_argument("--board", default="mps2_an386")
    parser.add_argument("--emulator", default="auto")
    parser.add_argument("--toolchain", default="auto", choices=("auto", "gcc", "zig"))
    parser.add_argument("--model", action="append", help="only this one (repeatable)")
    return parser.parse_args()


def bench_model(
    path: Path, anchor: Mapping[str, Any], target: Target, reporter: Reporter
) -> dict[str, Any]:
    """One row of the table; a model that fails has an "error" instead of figures."""
    reporter.headline(f"== {path.stem}")
    try:
        request = Request(model=path, inputs="random:1:5", command=f"espalier deploy {path.name}")
        report = deploy(request, target, reporter).report
    except PipelineError as error:
        reporter.log(str(error))
        return {"model": path.stem, "error": type(error).__name__, "message": str(error)}
    instructions = report["instructions_per_inference"]["median"]
    reference, cmsis = anchor["ref_instructions"], anchor["cmsis_instructions"]
    return {
        "model": path.stem,
        "mismatches": report["mismatches"],
        "emulator": report["emulator"],
        "toolchain": report["toolchain"],
        "instructions": instructions,
        "tflm_ref_instructions": reference,
        "ratio_ref": round(instructions / reference, 4),
        "tflm_cmsis_instructions": cmsis,
        "ratio_cmsis": round(instructions / cmsis, 4),
        "ram_bytes": report["ram"]["total_bytes"],
        "arena_bytes": report["ram"]["arena_bytes"],
        "tflm_arena_bytes": anchor["arena_cmsis_bytes"],
        "flash_bytes": report["flash"]["total_bytes"],
        "weights_bytes": report["flash"]["weights_bytes"],
        "runtime_bytes": report["flash"]["runtime_bytes"],
        "tflm_runtime_bytes": anchor["runtime_text_cmsis_int8reg_bytes"],
    }


if __name__ == "__main__":
    sys.exit(main())
