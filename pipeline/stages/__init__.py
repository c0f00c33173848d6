"""Composes the stages: from a run.toml, or from a model file, to a measured firmware.

Stages are functions of records; only this package knows the run folder. Each one runs when its
inputs, settings, sources or tools have changed, and says so when they have not.
"""

from pipeline.stages.comparing import compare
from pipeline.stages.deployment import (
    Deployment,
    Request,
    build_model,
    deploy,
    write_outputs,
)
from pipeline.stages.exporting import ExportRequest, export_library
from pipeline.stages.firmware import Target
from pipeline.stages.fitting import check_fits
from pipeline.stages.flashing import FlashRequest, flash
from pipeline.stages.measuring import BoardRequest, measure_on_board
from pipeline.stages.planning import export_sources, layer_macs, plan_model, plan_tflm
from pipeline.stages.prune_methods import Limits, PruneSettings
from pipeline.stages.pruning import Pruned, prune_file
from pipeline.stages.reporting import page_of, page_of_deployment, read_report
from pipeline.stages.running import run
from pipeline.stages.slimming import slim_file

__all__ = [
    "BoardRequest",
    "Deployment",
    "ExportRequest",
    "FlashRequest",
    "Limits",
    "PruneSettings",
    "Pruned",
    "Request",
    "Target",
    "build_model",
    "check_fits",
    "compare",
    "deploy",
    "export_library",
    "export_sources",
    "flash",
    "layer_macs",
    "measure_on_board",
    "page_of",
    "page_of_deployment",
    "plan_model",
    "plan_tflm",
    "prune_file",
    "read_report",
    "run",
    "slim_file",
    "write_outputs",
]
