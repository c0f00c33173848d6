"""Does the loss that the budgeted search chooses by foresee the accuracy after fine-tuning?

    python tools/judge_spreads.py MODEL.keras PICTURES macs=6250816 EPOCHS

Fine-tunes every candidate where the search fine-tunes the best alone; docs/studies.md has a table.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.data import SplitOptions, split_dataset
from pipeline.device.board import load_board
from pipeline.model.load import read_model
from pipeline.prune.budget import parse_budget
from pipeline.prune.facts import model_facts
from pipeline.prune.fit import RealCosts, first_limits, make_problem, plan_of, widths
from pipeline.prune.recalibrate import mean_loss, recalibrate
from pipeline.prune.surgery import materialise
from pipeline.report.progress import Reporter
from pipeline.stages.costs import REFERENCE_BOARD, DeployedCost, estimated_cost
from pipeline.stages.learning import load_samples
from pipeline.stages.prune_methods import PruneSettings
from pipeline.stages.subjects import data_section
from pipeline.stages.tuning import Tuning


def main(path: Path, data: str, budget: str, epochs: int) -> None:
    """Print a row for each candidate."""
    reporter = Reporter(quiet=True)
    model = read_model(path)
    dataset = load_samples(data_section(data, model.input_shape[1:], path), 1, reporter)
    split = split_dataset(dataset, SplitOptions(seed=1))
    tuning = Tuning(model, (dataset, split), PruneSettings(), reporter)
    limits = parse_budget(budget).limits
    problem = make_problem(
        model,
        criterion="l1",
        reduction="sum",
        batch_norm="ignore",
        limits=None,
        ignore=(),
        data=tuning.scoring,
        seed=0,
    )
    board = load_board(REFERENCE_BOARD)
    planned = "arena" in limits
    cost = DeployedCost(board, reporter, measures=False) if planned else estimated_cost(model_facts)
    real = RealCosts(problem, limits, cost, lambda line: None)
    begin = first_limits(real)
    if begin is None:
        raise SystemExit(f"{budget}: the whole model fits")
    problem, allowed = begin[0].problem, begin[1]
    for weighing in problem.weighings:
        plan = plan_of(problem, weighing, widths(problem, weighing, allowed))
        pruned = materialise(problem.trace, plan)
        cut = mean_loss(pruned, tuning.scoring)
        recalibrate(pruned, tuning.scoring)
        own = mean_loss(pruned, tuning.scoring)
        accuracy = tuning.test(tuning.fine_tune(pruned, epochs))["accuracy"]
        sys.stdout.write(f"| {weighing.name} | {cut:.2f} | {own:.2f} | {100 * accuracy:.1f} |\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
