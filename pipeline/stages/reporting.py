"""The report of a run: its figures as JSON, and a page to look at."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import MANIFEST, StageKey, hash_file, read_json, source_commit, write_json
from pipeline.config import RunConfig
from pipeline.errors import ConfigError
from pipeline.paths import checkout_path
from pipeline.records import Array, Board, FirmwareSize, FlashPart, TflmPlan
from pipeline.report.run import SCHEMA_VERSION, run_report
from pipeline.report.settings import toml_text
from pipeline.stages.deployment import Deployment
from pipeline.stages.firmware import Stages
from pipeline.stages.keys import stage_key
from pipeline.stages.planning import layer_macs

REPORT = "report"
FIGURES, PAGE = "report.json", "report.html"


@dataclass(slots=True)
class Made:
    """Folders of the stages that a run has come to; None for the others."""

    train: Path | None = None
    prune: Path | None = None
    quantize: Path | None = None
    plan: Path | None = None
    build: Path | None = None
    measure: Path | None = None

    def folders(self) -> dict[str, Path]:
        """Those that there are, by stage, in their order."""
        return {
            item.name: folder
            for item in dataclasses.fields(self)
            if (folder := getattr(self, item.name)) is not None
        }


_FACTS = {
    "train": "facts.json",
    "prune": "facts.json",
    "quantize": "facts.json",
    "plan": "plan.json",
    "measure": "deployment.json",
}


def write_report(
    config: RunConfig, stages: Stages, made: Made, *, failure: str | None = None
) -> Any:
    """Put everything together in report/.

    Args:
        config: of the run.
        stages: of its run folder.
        made: the stages that there are.
        failure: the message of what ended the run before its end.
    Returns:
        The JSON object of report.json.
    """
    folders = made.folders()
    key = _key(config, folders, failure)

    def write(out: Path) -> None:
        from pipeline.report.html.page import report_page

        report = _figures(config, stages, folders, failure)
        write_json(out / FIGURES, report)
        page = report_page(report, _samples(report, made.quantize))
        (out / PAGE).write_text(page, encoding="utf-8")

    folder = stages.make(REPORT, key, write)
    stages.reporter.log(f"the report is {folder / PAGE}")
    return read_json(folder / FIGURES)


def read_report(root: Path) -> Any:
    """The figures of a run.

    Args:
        root: its folder.
    Raises:
        ConfigError: it has no report.
    """
    path = root / REPORT / FIGURES
    if not path.is_file():
        raise ConfigError(
            f"{root}: expected the folder of a finished run. Received: no {path}. "
            "Finish it with `espalier run`."
        )
    report = read_json(path)
    check_schema(report, path)
    return report


def check_schema(report: Any, path: Path) -> None:
    """Refuse a report of another version.

    Args:
        report: of a run.
        path: where it was read, for the message.
    Raises:
        ConfigError: it is one.
    """
    if report.get("schema") != SCHEMA_VERSION:
        raise ConfigError(
            f"{path}: expected a report of schema {SCHEMA_VERSION}. Received: "
            f"{report.get('schema')}, of another version. Make it again with `espalier run`: what "
            "is finished is kept."
        )


def page_of(root: Path) -> str:
    """The page of a run, made anew from its figures and its samples.

    Args:
        root: the run's folder.
    Raises:
        ConfigError: it has no report.
    """
    from pipeline.report.html.page import report_page

    report = read_report(root)
    return report_page(report, _samples(report, root / "quantize"))


def page_of_deployment(deployment: Deployment, board: Board) -> str:
    """The page of a model that was deployed without a run: nothing is known of its training."""
    from pipeline.report.html.page import report_page
    from pipeline.report.memory import plan_report
    from pipeline.report.tflm import tflm_plan_report

    plan, firmware = deployment.plan, deployment.firmware
    if isinstance(plan, TflmPlan):
        planned = tflm_plan_report(plan, board)
    else:
        planned = plan_report(plan, layer_macs(plan), board)
    image = read_json(firmware.elf_path.parent / "size.json")["size"]
    report = run_report(
        plan.graph.name,
        {},
        {"plan": planned, "deployment": deployment.report},
        board=board,
        image=image,
        flash_parts=_flash_parts(firmware.elf_path, image),
    )
    # As it would be read back: tuples are lists.
    return report_page(json.loads(json.dumps(report)), {})


def _key(config: RunConfig, folders: dict[str, Path], failure: str | None) -> StageKey:
    return stage_key(
        REPORT,
        inputs={name: hash_file(folder / MANIFEST) for name, folder in folders.items()},
        config={**config.to_dict(), "failure": failure},
        seed=config.run.seed,
    )


def _figures(
    config: RunConfig, stages: Stages, folders: dict[str, Path], failure: str | None
) -> dict[str, Any]:
    facts = {
        name: read_json(folders[name] / file) for name, file in _FACTS.items() if name in folders
    }
    if "measure" in facts:
        facts["deployment"] = facts.pop("measure")
    image: Any = None
    parts: tuple[FlashPart, ...] = ()
    if "build" in folders:
        image = read_json(folders["build"] / "size.json")["size"]
        parts = _flash_parts(folders["build"] / "firmware.elf", image)
    return run_report(
        config.run.name,
        config.to_dict(),
        facts,
        board=stages.target.board,
        budget=_budget(config),
        image=image,
        flash_parts=parts,
        provenance=_provenance(config, folders),
        failure=None if failure is None else {"message": failure},
    )


def _flash_parts(elf_path: Path, image: Any) -> tuple[FlashPart, ...]:
    from pipeline.build.symbols import flash_parts
    from pipeline.codegen.symbols import layer_of

    if image is None:
        return ()
    size = FirmwareSize(**image["firmware"])
    return tuple(
        dataclasses.replace(part, layer=layer_of(part.symbol))
        for part in flash_parts(elf_path, size)
    )


def _budget(config: RunConfig) -> dict[str, Any] | None:
    """What [prune] had to reach, as numbers."""
    from pipeline.prune.budget import parse_budget

    section = config.prune
    if section.budget:
        parsed = parse_budget(section.budget)
        return {"limits": dict(parsed.limits), "accuracy": parsed.accuracy}
    if section.accuracy_floor:
        return {"limits": {}, "accuracy": section.accuracy_floor}
    return None


def _provenance(config: RunConfig, folders: dict[str, Path]) -> dict[str, Any]:
    """Which code, settings and files the figures come from; nothing of when or on what machine."""
    manifests = {name: read_json(folder / MANIFEST) for name, folder in folders.items()}
    return {
        "commit": source_commit(checkout_path()),
        "command": "espalier run run.toml",
        "settings": toml_text(config.to_dict()),
        "stages": [
            {
                "name": manifest["stage"],
                "seed": manifest["seed"],
                "code": manifest["code"],
                "tools": manifest["tools"],
                "inputs": manifest["inputs"],
                "outputs": manifest["outputs"],
            }
            for manifest in manifests.values()
        ],
    }


def _samples(report: Any, quantized: Path | None) -> dict[str, Array]:
    """The inputs on which float and int8 differ most, int8 as the model takes them."""
    golden = None if quantized is None else quantized / "golden.npz"
    worst = (report.get("quantize") or {}).get("worst", ())
    if golden is None or not golden.is_file() or not worst:
        return {}
    with np.load(golden, allow_pickle=False) as arrays:
        x, names = arrays["x"], arrays["names"].tolist()
    places = {name: index for index, name in enumerate(names)}
    return {row["sample"]: x[places[row["sample"]]] for row in worst if row["sample"] in places}
