"""Run a study: set up its queue, work it off, put the results together."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import signal
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from pipeline.artifacts import write_json
from pipeline.errors import ConfigError
from pipeline.report.progress import Reporter
from pipeline.report.study import COST_KEYS, study_report, trial_line
from pipeline.report.study_plots import draw_study
from pipeline.report.study_tables import study_markdown
from pipeline.study.config import StudyConfig
from pipeline.study.queue import Queue, Slot, queue_name
from pipeline.study.space import Point, grid, suggested
from pipeline.study.trial import Trials


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a study works.

    Attributes:
        folder: of trials, costs and the report.
        worker: whether this process only helps: it leaves the report to another.
    """

    folder: Path
    worker: bool = False


def run_study(config: StudyConfig, place: Place, reporter: Reporter) -> dict[str, Any] | None:
    """Do all trials that are not done yet, together with whoever else does.

    Args:
        config: of the study.
        place: where.
        reporter: told of each finished trial.
    Returns:
        The report, which is in the study's folder too; None for a mere worker.
    Raises:
        PipelineError: the study cannot be set up; what fails in a trial is in its record.
    """
    from pipeline.model.repeatable import make_repeatable

    points = grid(config)
    reporter.headline(f"study {config.study.name}")
    _make_folder(place.folder)
    make_repeatable(config.equal.threads)
    trials = Trials(config, place.folder, reporter)
    with (
        _Presence(place.folder) as presence,
        Queue(config.study.storage, place.folder, config.study.heartbeat_s) as queue,
    ):
        # With a server, others may be at work elsewhere.
        alone = presence.alone and not config.study.storage
        _join(config, trials, queue, points, alone=alone, worker=place.worker)
        presence.share()
        _work_off(config, trials, queue, reporter)
        if place.worker:
            return None
        return _report(config, trials, queue, place.folder, reporter)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"study folder {folder}: cannot be made: {error}.") from error


class _Presence:
    """Be seen by the other workers of a folder, until the process ends, however that is.

    Attributes:
        alone: whether there were none. Then nobody else begins before `share`, and what killed
            workers left half-written is cleared away.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.alone = False

    def __enter__(self) -> _Presence:
        self._stream = (self._folder / ".workers-lock").open("a")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.alone = True
            for leftover in self._folder.glob("*/.unfinished-*"):
                shutil.rmtree(leftover, ignore_errors=True)
        except BlockingIOError:
            self.share()
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def share(self) -> None:
        """Let others begin, too."""
        fcntl.flock(self._stream, fcntl.LOCK_SH)


def _join(
    config: StudyConfig,
    trials: Trials,
    queue: Queue,
    points: Sequence[Point],
    *,
    alone: bool,
    worker: bool,
) -> None:
    """Open the queue of this very study.

    Raises:
        ConfigError: a worker of another definition than the study that waits for it.
    """
    definition = _definition(config, trials)
    name = queue_name(config.study.name, definition)
    names = queue.names()
    others = [other for other in names if other.rpartition("-")[0] == config.study.name]
    if worker and others and name not in names:
        theirs = queue.definitions(others[-1:])[others[-1]]
        differing = [key for key in definition if definition[key] != theirs.get(key)]
        raise ConfigError(
            f"study {config.study.name}: a worker must have the same files, settings and code as "
            f"the study that it joins. Received: other {', '.join(differing)}. Bring them in "
            "line, or start the study again."
        )
    search = config.search
    if config.study.mode == "grid":
        slots: list[Slot] = [
            {"slot": trials.key(point).digest, "point": point.to_dict()} for point in points
        ]
        costs: Sequence[str] = config.costs.columns
    else:
        slots = [{"slot": f"trial {number}"} for number in range(search.trials)]
        costs = search.objectives
    queue.join(
        name,
        definition,
        num_costs=len(costs),
        sampler=_sampler(config, worker=worker),
        slots=slots,
        alone=alone,
        takes_over=not worker,
    )


def _definition(config: StudyConfig, trials: Trials) -> dict[str, Any]:
    """What another queue is needed for; a grid may grow and shrink in its own."""
    definition = {"mode": config.study.mode, **trials.definition()}
    if config.study.mode == "search":
        search = dataclasses.asdict(config.search)
        # More trials go on where fewer have ended.
        del search["trials"]
        definition["search"] = {**search, "metric": config.study.metric}
        definition["space"] = {
            **dataclasses.asdict(config.space),
            "seeds": config.study.seeds,
            "methods": {name: dataclasses.asdict(t) for name, t in config.methods.items()},
        }
    else:
        definition["objectives"] = [config.study.metric, *config.costs.columns]
    # As it comes back from the storage.
    return dict(json.loads(json.dumps(definition)))


def _sampler(config: StudyConfig, *, worker: bool) -> Any:
    if config.study.mode == "grid":
        return None
    import optuna

    search = config.search
    # Workers with one seed would all propose the same.
    seed = None if worker else search.seed
    if search.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.NSGAIISampler(population_size=search.population, seed=seed)


def _work_off(config: StudyConfig, trials: Trials, queue: Queue, reporter: Reporter) -> None:
    """Do trials until all are finished, here or elsewhere."""
    objectives = config.costs.columns if config.study.mode == "grid" else config.search.objectives

    def work(slot: Slot, trial: Any) -> tuple[dict[str, Any], list[float] | None]:
        given = slot.get("point")
        point = suggested(trial, config) if given is None else Point.from_dict(given)
        record = trials.run(point)
        if record["status"] == "failed":
            return record, None
        costs = [float(record[COST_KEYS[name]]) for name in objectives]
        return record, [record["validation"][config.study.metric], *costs]

    total = queue.num_slots()
    done = len(queue.records())
    reporter.log(f"{done} of {total} trials are finished already" if done else f"{total} trials")
    with _interrupts_that_arrive(), reporter.steps("trials") as step:
        while queue.has_waiting() or len(queue.records()) + len(queue.lost()) < total:
            record = queue.take(work) if queue.has_waiting() else None
            if record is not None:
                finished = queue.records()
                step(len(finished), total)
                left = _left_s(finished.values(), total, queue.num_running() + 1)
                reporter.log(trial_line(record, len(finished), total, config.study.metric, left))
                continue
            queue.mend()
            if not queue.has_waiting():
                time.sleep(queue.poll_s)


def _left_s(records: Iterable[Mapping[str, Any]], total: int, workers: int) -> float:
    """Seconds until the study is finished, as far as one can tell."""
    seconds = [float(record["seconds"]) for record in records]
    return (total - len(seconds)) * sum(seconds) / max(1, len(seconds)) / workers


def _report(
    config: StudyConfig, trials: Trials, queue: Queue, folder: Path, reporter: Reporter
) -> dict[str, Any]:
    """Write study.json, study.md and the plots; returns the JSON object."""
    lost = [
        {
            "point": slot.get("point"),
            "status": "failed",
            "error": "lost",
            "reason": "its workers died, one after the other; start the study again to try it",
            "seconds": 0.0,
        }
        for slot in queue.lost()
    ]
    report = study_report(
        name=config.study.name,
        mode=config.study.mode,
        metric=config.study.metric,
        columns=config.costs.columns,
        equal=dataclasses.asdict(config.equal),
        models=trials.wholes(),
        config=config.to_dict(),
        records=[*queue.records().values(), *lost],
    )
    write_json(folder / "study.json", report)
    plots = draw_study(report, folder)
    (folder / "study.md").write_text(study_markdown(report, plots), encoding="utf-8")
    reporter.log(f"everything is in {folder}")
    return report


@contextlib.contextmanager
def _interrupts_that_arrive() -> Iterator[None]:
    """Lose no interrupt: Python drops what is raised in a callback of a weak reference."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code.co_filename == weakref.__file__:
            threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
            return
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
