"""Composes the stages: from a run.toml, or from a model file, to a measured firmware.

Stages are functions of records; only this package knows the run folder. Each one runs when its
inputs, settings, sources or tools have changed, and says so when they have not.
"""

from pipeline.plan.slim.slim import SlimOptions
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
from pipeline.stages.lowering import lower_file
from pipeline.stages.measuring import BoardRequest, measure_on_board
from pipeline.stages.new_run import (
    Wishes,
    check_wishes,
    new_config,
    run_text,
    suggested_budget,
    suggested_size,
    survey_samples,
    write_new_run,
)
from pipeline.stages.offline_planning import plan_tflm_offline
from pipeline.stages.parity import Parity, ParityRequest, check_parity
from pipeline.stages.planning import export_sources, layer_macs, plan_model, plan_tflm
from pipeline.stages.profiling import Shape, profile
from pipeline.stages.prune_methods import Limits, PruneSettings
from pipeline.stages.pruning import Pruned, prune_file
from pipeline.stages.quantizing import (
    Quantized,
    QuantizeSettings,
    flash_budget,
    quantize_file,
)
from pipeline.stages.reporting import page_of, page_of_deployment, read_report
from pipeline.stages.running import run
from pipeline.stages.slimming import slim_file
from pipeline.stages.variants import Variants, compare_file
from pipeline.stages.zoo import card_report, zoo_report

__all__ = [
    "BoardRequest",
    "Deployment",
    "ExportRequest",
    "FlashRequest",
    "Limits",
    "Parity",
    "ParityRequest",
    "PruneSettings",
    "Pruned",
    "QuantizeSettings",
    "Quantized",
    "Request",
    "SlimOptions",
    "Shape",
    "Target",
    "Variants",
    "Wishes",
    "build_model",
    "card_report",
    "check_fits",
    "check_wishes",
    "check_parity",
    "compare_file",
    "compare",
    "deploy",
    "export_library",
    "export_sources",
    "flash",
    "flash_budget",
    "layer_macs",
    "lower_file",
    "measure_on_board",
    "new_config",
    "page_of",
    "page_of_deployment",
    "plan_model",
    "plan_tflm",
    "plan_tflm_offline",
    "profile",
    "prune_file",
    "quantize_file",
    "read_report",
    "run",
    "run_text",
    "slim_file",
    "suggested_budget",
    "suggested_size",
    "survey_samples",
    "write_new_run",
    "write_outputs",
    "zoo_report",
]
