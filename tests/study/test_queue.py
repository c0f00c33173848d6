from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, MissingToolError
from pipeline.study.queue import Queue, Slot, queue_name
from tests.shared import REPOSITORY
from tests.study import postgres

DEFINITION = {"mode": "grid"}
SLOTS = [{"slot": f"s{number}", "number": number} for number in range(6)]


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of each kind; a server of its own for PostgreSQL."""
    if request.param == "sqlite":
        yield ""
        return
    with postgres.server() as url:
        yield url


def joined(
    folder: Path,
    storage: str = "",
    slots: Sequence[Slot] = SLOTS,
    *,
    heartbeat_s: int = 60,
    takes_over: bool = True,
    alone: bool = False,
    sampler: Any = None,
) -> Queue:
    queue = Queue(storage, folder, heartbeat_s)
    queue.join(
        queue_name("study", DEFINITION),
        DEFINITION,
        num_costs=1,
        sampler=sampler,
        slots=slots,
        alone=alone,
        takes_over=takes_over,
    )
    return queue


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Queue]]:
    """Opens queues that are closed at the end."""
    with contextlib.ExitStack() as stack:

        def open_queue(storage: str = "", **options: Any) -> Queue:
            return stack.enter_context(joined(tmp_path, storage, **options))

        yield open_queue


Opened = Callable[..., Queue]


def work(slot: Slot, trial: Any) -> tuple[dict[str, Any], list[float]]:
    return {"doubled": 2 * slot["number"]}, [0.5, float(slot["number"])]


def work_off(queue: Queue, do: Callable[..., Any] = work) -> int:
    taken = 0
    while queue.has_waiting():
        taken += queue.take(do) is not None
    return taken


def test_each_slot_is_done_once_and_its_record_kept(opened: Opened, storage: str) -> None:
    queue = opened(storage)
    assert queue.num_slots() == 6
    assert work_off(queue) == 6
    assert queue.records() == {f"s{n}": {"doubled": 2 * n} for n in range(6)}
    again = opened(storage)
    assert not again.has_waiting()
    assert again.take(work) is None
    assert len(again.records()) == 6


def test_a_grid_grows_and_shrinks(opened: Opened) -> None:
    queue = opened(slots=SLOTS[:4])
    queue.take(work)
    shrunk = opened(slots=SLOTS[:2])
    assert work_off(shrunk) == 1
    assert list(shrunk.records()) == ["s0", "s1"]
    grown = opened(slots=SLOTS)
    assert work_off(grown) == 4
    assert list(grown.records()) == [slot["slot"] for slot in SLOTS]


def test_a_worker_does_what_the_queue_has(opened: Opened) -> None:
    opened(slots=SLOTS[:4])
    worker = opened(slots=SLOTS, takes_over=False)
    assert worker.num_slots() == 4
    assert work_off(worker) == 4


def test_a_failed_trial_is_finished(opened: Opened) -> None:
    def fail(slot: Slot, trial: Any) -> tuple[dict[str, Any], None]:
        return {"status": "failed", "reason": "impossible"}, None

    queue = opened()
    assert work_off(queue, fail) == 6
    assert queue.records()["s3"] == {"status": "failed", "reason": "impossible"}
    assert work_off(opened()) == 0


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MissingToolError])
def test_an_interrupted_trial_goes_back(kind: type[BaseException], opened: Opened) -> None:
    def interrupted(slot: Slot, trial: Any) -> Any:
        raise kind

    queue = opened()
    for _ in range(5):
        with pytest.raises(kind):
            queue.take(interrupted)
        # However often: interrupts are no losses.
        queue.mend()
    assert work_off(queue) == 6
    assert not queue.lost()


def test_a_bug_keeps_its_traceback_and_the_trial_is_tried_again(opened: Opened) -> None:
    def buggy(slot: Slot, trial: Any) -> Any:
        raise KeyError("a bug")

    queue = opened()
    for _ in range(3):
        with pytest.raises(KeyError, match="a bug"):
            queue.take(buggy)
        queue.mend()
    assert work_off(queue) == 6


def test_a_trial_that_kills_its_workers_is_given_up(opened: Opened) -> None:
    def deadly(slot: Slot, trial: Any) -> Any:
        if slot["slot"] == "s0":
            raise KeyError("as if killed")
        return work(slot, trial)

    queue = opened()
    for _ in range(12):
        try:
            queue.take(deadly)
        except KeyError:
            queue.mend()
    assert [slot["slot"] for slot in queue.lost()] == ["s0"]
    assert len(queue.records()) == 5
    # A new start tries once more.
    assert work_off(opened()) == 1


def test_whoever_is_alone_takes_over_what_a_dead_worker_ran(opened: Opened) -> None:
    from optuna.trial import TrialState

    queue = opened()
    queue._storage.set_trial_state_values(queue._trials()[0]._trial_id, TrialState.RUNNING)
    others = opened()
    assert work_off(others) == 5
    assert work_off(opened(alone=True)) == 1


def test_a_copy_of_a_trial_that_still_runs_is_not_done(opened: Opened) -> None:
    import optuna

    first, second = opened(), opened()

    def meanwhile(slot: Slot, trial: Any) -> Any:
        # Another worker takes this one for dead, and puts a copy of the slot into the queue.
        second._opened.add_trial(
            optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING, user_attrs=dict(slot))
        )
        assert work_off(second) == 5
        return work(slot, trial)

    assert first.take(meanwhile) == {"doubled": 0}
    assert len(first.records()) == 6


def test_a_trial_taken_over_meanwhile_is_left_to_the_other(opened: Opened) -> None:
    first, second = opened(), opened()

    def slow(slot: Slot, trial: Any) -> Any:
        # As `mend` does with a trial that gives no sign of life.
        frozen = second._trials()[0]
        second._end(frozen, "lost")
        second.mend()
        return work(slot, trial)

    assert first.take(slow) is None
    assert work_off(second) == 6


def test_a_search_has_as_many_trials_as_asked_for(opened: Opened) -> None:
    import optuna

    def searched(slot: Slot, trial: Any) -> Any:
        value = trial.suggest_float("ratio", 0.0, 1.0)
        return {"ratio": value}, [value, 1 - value]

    sampler = optuna.samplers.NSGAIISampler(population_size=4, seed=0)
    queue = opened(sampler=sampler)
    assert work_off(queue, searched) == 6
    assert len({record["ratio"] for record in queue.records().values()}) == 6


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://espalier:secret@/none?host={tmp_path}"
    with pytest.raises(ConfigError, match=r"study.storage: expected a PostgreSQL server") as caught:
        Queue(url, tmp_path, 60)
    assert "secret" not in str(caught.value)


def test_a_server_that_stops(opened: Opened) -> None:
    with postgres.server() as url:
        queue = opened(url)
    with pytest.raises(ConfigError, match="What is finished is kept"), queue:
        queue.records()


WORKER = """
import sys, time
from pathlib import Path
from tests.study.test_queue import joined
folder, storage, hang = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
def work(slot, trial):
    # Fails where a slot is done a second time.
    (folder / slot["slot"]).open("x").close()
    if slot["slot"] == hang:
        (folder / slot["slot"]).unlink()
        (folder / "hangs").touch()
        time.sleep(600)
    time.sleep(0.2)
    return {"doubled": 2 * slot["number"]}, [0.5, 1.0]
with joined(folder, storage, heartbeat_s=1) as queue:
    while len(queue.records()) < queue.num_slots():
        if queue.take(work) is None:
            queue.mend()
            time.sleep(queue.poll_s)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts workers that are killed at the end, if they still run."""
    workers = []

    def start_worker(storage: str, hang: str = "") -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WORKER, tmp_path, storage, hang],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stderr=subprocess.PIPE,
            text=True,
        )
        workers.append(worker)
        return worker

    yield start_worker
    for worker in workers:
        worker.kill()
        worker.communicate()


def finish(process: subprocess.Popen[str]) -> None:
    error = process.communicate(timeout=120)[1]
    assert process.returncode == 0, error
    assert error == ""


@pytest.mark.slow
def test_workers_that_start_together_share_the_slots(
    opened: Opened, start: Callable[..., subprocess.Popen[str]], storage: str
) -> None:
    for worker in [start(storage) for _ in range(3)]:
        finish(worker)
    assert opened(storage).records() == {f"s{n}": {"doubled": 2 * n} for n in range(6)}


@pytest.mark.slow
def test_a_killed_workers_trial_comes_back(
    tmp_path: Path, opened: Opened, start: Callable[..., subprocess.Popen[str]], storage: str
) -> None:
    doomed = start(storage, "s2")
    deadline = time.monotonic() + 60
    while not (tmp_path / "hangs").exists():
        assert doomed.poll() is None, doomed.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    heir = start(storage)
    doomed.send_signal(signal.SIGKILL)
    finish(heir)
    assert len(opened(storage).records()) == 6


def test_definitions_name_what_differs(opened: Opened) -> None:
    queue = opened()
    name = queue_name("study", DEFINITION)
    assert queue.names() == [name]
    assert queue.definitions([name]) == {name: DEFINITION}
    assert name != queue_name("study", {"mode": "search"})
