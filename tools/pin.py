"""Write tests/golden/pins.json: the figures that no later change may exceed by more than 1 %.

Run it after a change that is meant to move them, and look at the difference. Compilers that are not
installed and models that are missing keep the pins that they have.

    make pin
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipeline.artifacts import read_json, tool_versions, write_json
from pipeline.errors import MissingToolError
from pipeline.report.progress import Reporter
from tests import pins

_PACKAGES = ("unicorn", "ziglang", "capstone", "platformio")


def main() -> int:
    """Measure everything and write the pins; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="append", help="only this one (repeatable)")
    options = parser.parse_args()
    pinned: dict[str, dict[str, Any]] = {}
    if pins.PINS.is_file():
        pinned = read_json(pins.PINS)["pins"]
    reporter = Reporter()
    failed = False
    for compiler in pins.WAYS:
        with tempfile.TemporaryDirectory() as folder:
            for name in options.model or pins.MODELS:
                failed |= not pin_model(name, compiler, Path(folder), pinned, reporter)
    ordered = {
        toolchain: {name: models[name] for name in pins.MODELS if name in models}
        for toolchain, models in sorted(pinned.items())
    }
    write_json(
        pins.PINS, {"made_by": "make pin", "tools": tool_versions(_PACKAGES), "pins": ordered}
    )
    print(f"written to {pins.PINS}")
    return int(failed)


def pin_model(
    name: str,
    compiler: str,
    folder: Path,
    pinned: dict[str, dict[str, Any]],
    reporter: Reporter,
) -> bool:
    """Measure one model and tell what moved; False if its outputs are wrong."""
    path = pins.model_path(name, folder)
    if not path.is_file():
        print(f"pin: {name} left as it is: no {path}")
        return True
    try:
        report = pins.measure(path, compiler, reporter)
    except MissingToolError as error:
        print(f"pin: {name}, {compiler} left as it is: {error}")
        return True
    if report["mismatches"]:
        print(f"pin: {name}, {compiler}: outputs differ from the reference; not pinned")
        return False
    toolchain, figures = report["toolchain"], pins.figures(report)
    compiler_name = toolchain.rpartition(" ")[0]
    for other in [t for t in pinned if t.rpartition(" ")[0] == compiler_name and t != toolchain]:
        del pinned[other]
    before = pinned.setdefault(toolchain, {}).get(name, {})
    rises, falls = pins.changes(before, figures)
    for words in rises + falls:
        print(f"pin: {name}, {toolchain}: {words}")
    pinned[toolchain][name] = figures
    return True


if __name__ == "__main__":
    sys.exit(main())
