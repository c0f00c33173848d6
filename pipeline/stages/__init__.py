"""Composes the stages: from a run.toml, or from a model file, to a measured firmware.

Stages are functions of records; only this package knows the run folder. Each one runs when its
inputs, settings, sources or tools have changed, and says so when they have not.
"""

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
from pipeline.stages.profiling import Shape, profile
from pipeline.stages.prune_methods import Limits, PruneSettings
from pipeline.stages.pruning import Pruned, prune_file
from pipeline.stages.running import run
from pipeline.stages.slimming import slim_file
from pipeline.stages.zoo import card_report, zoo_report

__all__ = [
    "BoardRequest",
    "Deployment",
    "ExportRequest",
    "FlashRequest",
    "Limits",
    "PruneSettings",
    "Pruned",
    "Request",
    "Shape",
    "Target",
    "build_model",
    "card_report",
    "check_fits",
    "deploy",
    "export_library",
    "export_sources",
    "flash",
    "layer_macs",
    "measure_on_board",
    "plan_model",
    "plan_tflm",
    "profile",
    "prune_file",
    "run",
    "slim_file",
    "write_outputs",
    "zoo_report",
]
