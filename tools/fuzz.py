"""Random models through the engine, against TFLite's reference kernels, for as long as you like.

Single operators and graphs with random shapes, strides, paddings, dilations, multipliers, scales,
zero points and activations, compiled for this computer with the address and undefined-behaviour
sanitizers, for every kind of kernels; a few of them as firmware on the emulated core. What fails is
kept as a .tflite, with the command that shows it again. Exit status 1 if anything failed.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from pipeline.artifacts import tool_versions, write_json
from pipeline.device.board import load_board
from pipeline.device.select import resolve_emulator
from pipeline.errors import PipelineError
from pipeline.paths import cache_path
from pipeline.plan.graph import parse_graph
from pipeline.report.progress import Reporter
from pipeline.stages import Request, Target, deploy
from tests.compiled import HostCompiler
from tests.equivalence import Verdict, check_models, seeded_model
from tests.exact import assert_exact, assert_sane, samples, save_inputs

# Models that are compiled into one program.
BATCH = 24
# Of so many models one also runs on the emulated core.
EMULATED_SHARE = 500
BOARD = "mps2_an386"
PROGRESS_S = 15.0

_PACKAGES = ("ai-edge-litert", "numpy", "tflite", "unicorn", "ziglang")
_compiler: HostCompiler


def main() -> int:
    """Run the fuzz; returns the exit status."""
    options = parse_arguments()
    if options.model:
        return repeat(options.model)
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    print(f"fuzz: seed {seed}, {options.count:,} models, {options.jobs} processes", flush=True)
    run = Run(seed, cache_path() / "fuzz")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="espalier-fuzz-") as folder:
        run.check(options, Path(folder), begin + options.seconds)
        emulate(run, options.emulated)
    run.summarise(time.monotonic() - begin)
    return int(bool(run.failures))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="models  [default: 10,000]")
    parser.add_argument("--first", type=int, default=0, help="number of the first model")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--seed", type=int, help="of all models; printed where none is given")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--emulated",
        type=int,
        help=f"models on the emulated core  [default: 1 in {EMULATED_SHARE}]",
    )
    parser.add_argument("--model", type=Path, help="check this .tflite only, tensor by tensor")
    options = parser.parse_args()
    if options.emulated is None:
        options.emulated = -(-options.count // EMULATED_SHARE)
    return options


class Run:
    """One fuzz: its models, what became of them, and where failures are kept.

    Args:
        seed: of the models.
        kept: folder of the failures and of the summary.
    """

    def __init__(self, seed: int, kept: Path) -> None:
        self.seed = seed
        self.kept = kept
        self.verdicts: dict[int, Verdict] = {}
        self.failures: dict[str, str] = {}
        self.emulated = 0

    def check(self, options: argparse.Namespace, folder: Path, deadline: float) -> None:
        """Check all models on this computer, in several processes."""
        numbers = iter(range(options.first, options.first + options.count))
        shown = time.monotonic()
        for verdicts in in_processes(self.seed, numbers, options.jobs, folder, deadline):
            self.verdicts.update(verdicts)
            for number, verdict in verdicts.items():
                if verdict.kind == "failed":
                    self.keep(number, verdict.message)
            if time.monotonic() - shown > PROGRESS_S:
                shown = time.monotonic()
                print(f"fuzz: {self.state()}", flush=True)

    def keep(self, number: int, message: str) -> None:
        """Keep a model that failed, and say how to see it again."""
        self.kept.mkdir(parents=True, exist_ok=True)
        path = self.kept / f"seed-{self.seed}-{number}.tflite"
        path.write_bytes(seeded_model(self.seed, number))
        self.failures[str(number)] = message
        print(f"fuzz: model {number} FAILED: {message}", flush=True)
        print(f"fuzz: kept; see it again: make fuzz FUZZ_MODEL={path}", flush=True)

    def state(self) -> str:
        """How far everything is."""
        kinds = collections.Counter(verdict.kind for verdict in self.verdicts.values())
        variants = sum(verdict.variants for verdict in self.verdicts.values())
        return (
            f"{len(self.verdicts):,} models: {kinds['equal']:,} equal in {variants:,} variants, "
            f"{kinds['refused']:,} refused, {len(self.failures):,} failed"
        )

    def summarise(self, seconds: float) -> None:
        """Print and write what was checked."""
        operators = collections.Counter(
            operator
            for verdict in self.verdicts.values()
            if verdict.kind == "equal"
            for operator in verdict.operators
        )
        refused = collections.Counter(
            reason(verdict) for verdict in self.verdicts.values() if verdict.kind == "refused"
        )
        print(f"fuzz: {self.state()}; {self.emulated} on the emulated core; {seconds:,.0f} s")
        for name, count in operators.most_common():
            print(f"  {count:>7,}  {name}")
        for why, count in refused.most_common():
            print(f"  {count:>7,}  refused: {why}")
        self.kept.mkdir(parents=True, exist_ok=True)
        write_json(
            self.kept / "last.json",
            {
                "seed": self.seed,
                "models": len(self.verdicts),
                "emulated": self.emulated,
                "seconds": round(seconds),
                "failures": self.failures,
                "operators": dict(operators.most_common()),
                "refused": dict(refused.most_common()),
                "tools": tool_versions(_PACKAGES),
            },
        )


def reason(verdict: Verdict) -> str:
    """Why a model was refused, without what only this model has."""
    text = verdict.message.splitlines()[0]
    head, _, tail = text.partition("'")
    return (head + tail.partition("'")[2]).partition(" Received")[0][:110]


def in_processes(
    seed: int, numbers: Iterator[int], jobs: int, folder: Path, deadline: float
) -> Iterator[dict[int, Verdict]]:
    """Verdicts of batch after batch until the numbers or the time are used up."""
    waiting: dict[Future[dict[int, Verdict]], list[int]] = {}
    with ProcessPoolExecutor(jobs, initializer=start_worker, initargs=(folder,)) as pool:
        while True:
            while len(waiting) < 2 * jobs and time.monotonic() < deadline:
                batch = list(itertools.islice(numbers, BATCH))
                if not batch:
                    break
                waiting[pool.submit(check_batch, seed, batch)] = batch
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            try:
                for future in done:
                    yield future.result()
                    del waiting[future]
            except BrokenProcessPool:
                break
    # A reference kernel that aborts takes its process along, and all that waited with it.
    yield from one_by_one(seed, [number for batch in waiting.values() for number in batch], folder)
    yield from in_processes(seed, numbers, jobs, folder, deadline)


def one_by_one(seed: int, numbers: Sequence[int], folder: Path) -> Iterator[dict[int, Verdict]]:
    """Verdicts of models of which one or several end the process that they run in."""
    left = list(numbers)
    while left:
        with ProcessPoolExecutor(1, initializer=start_worker, initargs=(folder,)) as pool:
            try:
                while left:
                    yield pool.submit(check_batch, seed, left[:1]).result()
                    left = left[1:]
            except BrokenProcessPool:
                yield {left[0]: Verdict(kind="failed", message="its process died")}
                left = left[1:]


def start_worker(folder: Path) -> None:
    """Give a process a compiler; its kernels are compiled once."""
    global _compiler
    own = folder / str(os.getpid())
    own.mkdir()
    _compiler = HostCompiler(own)
    if not _compiler.can_sanitize():
        raise RuntimeError("fuzz: expected a compiler with -fsanitize=address,undefined")


def check_batch(seed: int, numbers: Sequence[int]) -> dict[int, Verdict]:
    """Make and check some models; runs in a process of its own."""
    return check_models(_compiler, {number: seeded_model(seed, number) for number in numbers})


def emulate(run: Run, count: int) -> None:
    """Deploy some of the models that agreed as firmware, and compare again."""
    board = load_board(BOARD)
    target = Target(board=board, emulator=resolve_emulator("auto", board))
    equal = [number for number, verdict in sorted(run.verdicts.items()) if verdict.kind == "equal"]
    step = max(1, len(equal) // max(1, count))
    for number in equal[::step][:count]:
        try:
            mismatches = mismatches_on(target, seeded_model(run.seed, number))
        except PipelineError as error:
            run.keep(number, f"on the emulated core: {error}")
            continue
        run.emulated += 1
        if mismatches:
            run.keep(number, f"{mismatches} mismatches on the emulated core")


def mismatches_on(target: Target, model: bytes) -> int:
    """Samples whose outputs differ on a device."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, inputs = folder / "fuzz.tflite", folder / "inputs.npz"
        path.write_bytes(model)
        save_inputs(inputs, list(samples(parse_graph(model, path.stem, str(path)))))
        request = Request(
            model=path, inputs=str(inputs), work=folder / "work", command="tools/fuzz.py"
        )
        return int(deploy(request, target, Reporter(quiet=True)).report["mismatches"])


def repeat(path: Path) -> int:
    """Check one model tensor by tensor, and under the sanitizers; returns the exit status."""
    model = path.read_bytes()
    checks: tuple[Callable[[bytes, HostCompiler], object], ...] = (assert_exact, assert_sane)
    with tempfile.TemporaryDirectory(prefix="espalier-fuzz-") as folder:
        compiler = HostCompiler(Path(folder))
        (verdict,) = check_models(compiler, {0: model}).values()
        print(f"fuzz: {path}: {verdict.kind} {verdict.message}")
        for check in checks:
            check(model, compiler)
    return int(verdict.kind == "failed")


if __name__ == "__main__":
    sys.exit(main())
