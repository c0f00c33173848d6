"""The queue of a study's trials: Optuna's storage, which any number of workers share.

Each trial of the study is a slot, put into the queue exactly once under a lock that all workers
respect: a file's for SQLite, an advisory one of the server for PostgreSQL. A worker that dies no
longer gives signs of life; others then fail its trial, and Optuna puts a copy in its place. A
finished slot has its record as an attribute of its trial.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.artifacts import hash_value
from pipeline.errors import ConfigError, MissingToolError

if TYPE_CHECKING:
    import optuna
    import sqlalchemy

Slot = Mapping[str, Any]
"""What a trial is: "slot", its name, and whatever the worker needs to know of it."""

Work = Callable[[Slot, "optuna.Trial"], tuple[dict[str, Any], Sequence[float] | None]]
"""(slot, trial) -> the record, and the objectives' values; None for these where it failed."""

SQLITE_NAME = "queue.sqlite3"

# Signs of life that a worker may miss.
_GRACE = 4
# A trial whose workers died this often is given up until the study is started again.
_ATTEMPTS = 3
_BUSY_TIMEOUT_S = 120
# Any number, the same for all: studies of one server set up their queues one after the other.
_ADVISORY_LOCK = 4_207_849_484

_SLOT, _RECORD, _PUT_BACK, _WITHDRAWN = "slot", "record", "put_back", "withdrawn"


class _Failed(Exception):
    """A trial ended without a model; its record says why."""


class Queue:
    """The queue of one study; close it, as `with` does.

    Args:
        storage: "" for an SQLite file in `folder`, or a URL of PostgreSQL.
        folder: of the study; it exists.
        heartbeat_s: between signs of life.
    Raises:
        ConfigError: the server cannot be reached.
    """

    def __init__(self, storage: str, folder: Path, heartbeat_s: int) -> None:
        # Heartbeats are compared as times without a zone.
        os.environ["PGTZ"] = "UTC"
        self._folder = folder
        self._is_file = not storage
        # Optuna formats its URL.
        path = str((folder / SQLITE_NAME).resolve()).replace("{", "{{").replace("}", "}}")
        self._url = storage or f"sqlite:///{path}"
        self.poll_s = min(10.0, heartbeat_s / 2)
        with self.locked(), _calm():
            self._storage = self._connect(heartbeat_s)
        self._study: optuna.Study | None = None
        self._slots: dict[str, Slot] = {}

    def _connect(self, heartbeat_s: int) -> optuna.storages.RDBStorage:
        import optuna
        import sqlalchemy

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        arguments: dict[str, Any] = {"pool_pre_ping": True}
        if self._is_file:
            arguments["connect_args"] = {"timeout": _BUSY_TIMEOUT_S}
        storage = optuna.storages.RDBStorage(
            self._url,
            engine_kwargs=arguments,
            heartbeat_interval=heartbeat_s,
            grace_period=_GRACE * heartbeat_s,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(
                max_retry=_ATTEMPTS - 1
            ),
        )
        if self._is_file:
            # Optuna reads, then writes. Without a lock from the first read on, two processes
            # could take the same trial; PostgreSQL locks rows by itself.
            sqlalchemy.event.listen(storage.engine, "connect", _no_implicit_transactions)
            sqlalchemy.event.listen(storage.engine, "begin", _begin_immediate)
            storage.engine.dispose()
        return storage

    def __enter__(self) -> Queue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        import optuna

        self.close()
        if isinstance(error, optuna.exceptions.StorageInternalError):
            raise ConfigError(
                "study.storage: expected an answer. Received: "
                f"{type(error.__cause__ or error).__name__}. What is finished is kept: start the "
                "study again when the storage is there."
            ) from error

    def close(self) -> None:
        """Leave the storage."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other workers from setting up and mending the queue."""
        if self._is_file:
            with (self._folder / ".queue-lock").open("a") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                yield
            return
        with _reached(self._url) as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_ADVISORY_LOCK})")
            # The lock ends with the connection.
            yield

    def names(self) -> list[str]:
        """Of all queues of the storage."""
        import optuna

        with _calm():
            return list(optuna.get_all_study_names(self._storage))

    def join(
        self,
        name: str,
        definition: Mapping[str, Any],
        *,
        num_costs: int,
        sampler: Any,
        slots: Sequence[Slot],
        alone: bool,
        takes_over: bool,
    ) -> None:
        """Open the study, and make sure that each of its slots is in the queue once.

        Args:
            name: of the study; what has another definition needs another name.
            definition: kept with it, for messages.
            num_costs: values of a trial that are minimized, behind the one that is maximized.
            sampler: Optuna's, None for none.
            slots: of the study.
            alone: whether no other worker can be at work, so that what runs is dead.
            takes_over: whether `slots` replace those of the queue; else the queue's count.
        """
        import optuna
        from optuna.trial import TrialState

        minimized: list[Literal["minimize"]] = ["minimize"] * num_costs
        with self.locked(), _calm():
            existed = name in optuna.get_all_study_names(self._storage)
            self._study = study = optuna.create_study(
                study_name=name,
                storage=self._storage,
                sampler=sampler or optuna.samplers.RandomSampler(seed=0),
                directions=["maximize", *minimized],
                load_if_exists=True,
            )
            if not existed:
                study.set_user_attr("definition", dict(definition))
            trials = self._trials()
            self._slots = {slot[_SLOT]: slot for slot in slots}
            if existed and not takes_over:
                self._slots = {
                    _name_of(trial): _slot_of(trial)
                    for trial in trials
                    if _WITHDRAWN not in trial.user_attrs
                }
            for trial in trials:
                if alone and trial.state == TrialState.RUNNING:
                    self._end(trial, _PUT_BACK)
                elif trial.state == TrialState.WAITING and _name_of(trial) not in self._slots:
                    self._end(trial, _WITHDRAWN)
            self._fill(attempts=None)

    def definitions(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The definitions of other studies of the storage, by name."""
        import optuna

        with _calm():
            studies = [optuna.load_study(study_name=name, storage=self._storage) for name in names]
            return {s.study_name: s.user_attrs.get("definition", {}) for s in studies}

    def take(self, work: Work) -> dict[str, Any] | None:
        """Do one trial of the queue; its record, or None where none was left to take.

        What stops the worker and says nothing on the trial puts the trial back: a
        KeyboardInterrupt, a SystemExit, a MissingToolError.
        """
        import optuna

        found: dict[str, Any] | None = None
        worked = False

        def objective(trial: optuna.Trial) -> Sequence[float]:
            nonlocal found, worked
            slot = _slot_of(trial)
            # Optuna makes up a trial where somebody else has just taken the last.
            if _SLOT not in slot or self._is_settled(slot[_SLOT], trial.number):
                raise optuna.TrialPruned
            try:
                record, values = work(slot, trial)
            except (KeyboardInterrupt, SystemExit, MissingToolError) as stop:
                trial.set_user_attr(_PUT_BACK, True)
                if isinstance(stop, SystemExit):
                    # Optuna ends the trial for all others.
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)
                raise
            worked = True
            trial.set_user_attr(_RECORD, record)
            found = record
            if values is None:
                raise _Failed
            return values

        study = self._opened
        with _calm():
            try:
                study.optimize(objective, n_trials=1, catch=(_Failed,))
            except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
                if not worked:
                    raise
                # Taken for dead while it was at work: the trial cannot be told any more. Its
                # copy finds what this worker has left in the folder.
        return found

    def mend(self) -> None:
        """Fail the trials of dead workers, and put back what no trial stands for any more."""
        import optuna

        with self.locked(), _calm():
            optuna.storages.fail_stale_trials(self._opened)
            self._fill(attempts=_ATTEMPTS)

    def records(self) -> dict[str, dict[str, Any]]:
        """The records of all slots that are finished, by slot, in the order of the slots."""
        found = {
            _name_of(trial): trial.user_attrs[_RECORD]
            for trial in self._trials()
            if _RECORD in trial.user_attrs
        }
        return {name: found[name] for name in self._slots if name in found}

    def lost(self) -> list[Slot]:
        """Slots that were given up because their workers died."""
        counts = self._attempts()
        done, open_ = self.records(), self._open()
        return [
            slot
            for name, slot in self._slots.items()
            if name not in done and name not in open_ and counts[name] >= _ATTEMPTS
        ]

    def has_waiting(self) -> bool:
        """Whether there is something to take."""
        from optuna.trial import TrialState

        return any(trial.state == TrialState.WAITING for trial in self._trials())

    def num_running(self) -> int:
        """Trials at work, on any machine."""
        from optuna.trial import TrialState

        return sum(trial.state == TrialState.RUNNING for trial in self._trials())

    def num_slots(self) -> int:
        """Trials of the study in all."""
        return len(self._slots)

    @property
    def _opened(self) -> optuna.Study:
        assert self._study is not None, "join() comes first"
        return self._study

    def _trials(self) -> list[optuna.trial.FrozenTrial]:
        """All trials that stand for a slot."""
        with _calm():
            trials = self._opened.get_trials(deepcopy=False)
        return [trial for trial in trials if _SLOT in trial.user_attrs]

    def _open(self) -> set[str]:
        """Slots that wait or run."""
        return {_name_of(t) for t in self._trials() if not t.state.is_finished()}

    def _attempts(self) -> Counter[str]:
        """How often a worker has lost each slot."""
        return Counter(
            _name_of(trial)
            for trial in self._trials()
            if trial.state.is_finished()
            and not {_RECORD, _PUT_BACK, _WITHDRAWN} & trial.user_attrs.keys()
        )

    def _fill(self, *, attempts: int | None) -> None:
        """Put every slot into the queue that is neither there nor finished. Call it locked."""
        import optuna

        known = self._open() | self.records().keys()
        counts = self._attempts()
        for name, slot in self._slots.items():
            if name not in known and (attempts is None or counts[name] < attempts):
                waiting = optuna.trial.create_trial(
                    state=optuna.trial.TrialState.WAITING, user_attrs=dict(slot)
                )
                self._opened.add_trial(waiting)

    def _end(self, trial: optuna.trial.FrozenTrial, why: str) -> None:
        from optuna.trial import TrialState

        self._storage.set_trial_user_attr(trial._trial_id, why, True)
        self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)

    def _is_settled(self, name: str, number: int) -> bool:
        """Whether trial `number` has nothing to do: its slot is finished, or an earlier one runs.

        A trial whose worker was wrongly taken for dead has such a copy.
        """
        from optuna.trial import TrialState

        return any(
            _RECORD in trial.user_attrs
            or (trial.number < number and trial.state == TrialState.RUNNING)
            for trial in self._trials()
            if _name_of(trial) == name
        )


def queue_name(name: str, definition: Mapping[str, Any]) -> str:
    """Name of the queue of a study: another definition has another queue."""
    return f"{name}-{hash_value(definition)[:12]}"


def _name_of(trial: optuna.trial.FrozenTrial) -> str:
    return str(trial.user_attrs[_SLOT])


def _slot_of(trial: optuna.Trial | optuna.trial.FrozenTrial) -> dict[str, Any]:
    kept = (_RECORD, _PUT_BACK, _WITHDRAWN)
    return {name: value for name, value in trial.user_attrs.items() if name not in kept}


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    """Without Optuna's warnings that heartbeats and retries may change in later versions."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


@contextlib.contextmanager
def _reached(url: str) -> Iterator[sqlalchemy.Connection]:
    """A connection of its own to a server.

    Raises:
        ConfigError: there is none.
    """
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        connection = engine.connect()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError) as error:
        # The URL itself may have a password in it.
        reason = str(getattr(error, "orig", None) or type(error).__name__).strip()
        raise ConfigError(
            "study.storage: expected a PostgreSQL server that answers, as "
            f"postgresql+psycopg://USER@HOST/DATABASE. Received: {reason}. Check its address, and "
            "that the database exists."
        ) from error
    with connection:
        yield connection


def _no_implicit_transactions(connection: Any, record: object) -> None:
    """Python's sqlite3 shall not begin transactions by itself."""
    connection.isolation_level = None


def _begin_immediate(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
