"""Random models through the engine against BUILTIN_REF: a few here, thousands in `make fuzz`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.artifacts import read_json
from pipeline.errors import UnsupportedModelError
from pipeline.paths import cache_path
from pipeline.plan.graph import parse_graph
from pipeline.reference import ReferenceModel
from tests import compiled
from tests.compiled import HostCompiler
from tests.equivalence import check_models, seeded_model
from tests.exact import assert_exact
from tests.random_models import OPERATORS, SeededDraw, random_graph, random_operator
from tests.shared import REPOSITORY

T = TypeVar("T")


class HypothesisDraw:
    """Decisions of hypothesis, which can shrink them."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def integer(self, low: int, high: int) -> int:
        return self._data.draw(st.integers(low, high))

    def real(self, low: float, high: float) -> float:
        return self._data.draw(st.floats(low, high))

    def pick(self, options: Sequence[T]) -> T:
        return self._data.draw(st.sampled_from(options))


_SETTINGS: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


def check(model: bytes, compiler: HostCompiler) -> None:
    """Every tensor, unless the engine or the reference refuses the model."""
    try:
        assert_exact(model, compiler)
    except (UnsupportedModelError, RuntimeError):
        return


@pytest.mark.slow
@settings(max_examples=40, **_SETTINGS)
@given(data=st.data())
def test_any_operator_equals_reference(data: st.DataObject, compiler: HostCompiler) -> None:
    check(random_operator(HypothesisDraw(data)), compiler)


@pytest.mark.slow
@settings(max_examples=20, **_SETTINGS)
@given(data=st.data())
def test_any_graph_equals_reference(data: st.DataObject, compiler: HostCompiler) -> None:
    check(random_graph(HypothesisDraw(data)), compiler)


def operator_models(per_operator: int) -> dict[int, bytes]:
    rng = np.random.default_rng(8)
    names = [name for name in OPERATORS for _ in range(per_operator)]
    return {number: random_operator(SeededDraw(rng), name) for number, name in enumerate(names)}


@pytest.fixture
def sanitizing(compiler: HostCompiler) -> HostCompiler:
    if not compiler.can_sanitize():
        pytest.skip("the compiler has no -fsanitize=address,undefined")
    return compiler


def test_every_operator_is_checked_under_sanitizers(sanitizing: HostCompiler) -> None:
    verdicts = check_models(sanitizing, operator_models(2))
    assert {verdict.kind for verdict in verdicts.values()} == {"equal"}, verdicts
    assert all(verdict.variants >= 1 for verdict in verdicts.values())
    checked = {kind for verdict in verdicts.values() for kind in verdict.operators}
    assert len(checked) >= len(OPERATORS)


def test_one_wrong_value_is_found(
    sanitizing: HostCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(self: ReferenceModel, x: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        (output,) = reference(self, x)
        changed = output.copy()
        changed[1].flat[-1] ^= 1
        return (changed,)

    reference = ReferenceModel.run
    monkeypatch.setattr(ReferenceModel, "run", wrong)
    model = random_operator(SeededDraw(np.random.default_rng(1)), "conv_2d")
    (verdict,) = check_models(sanitizing, {0: model}).values()
    assert verdict.kind == "failed"
    assert "portable kernels: output 0 of sample 1 differs in 1 of" in verdict.message


def test_code_that_touches_what_it_must_not_is_found(
    sanitizing: HostCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "_regions", lambda plan, step: [(0, 1)])
    (verdict,) = check_models(sanitizing, {0: seeded_model(1, 1)}).values()
    assert verdict.kind == "failed"
    assert "AddressSanitizer: use-after-poison" in verdict.message


def test_a_model_that_does_not_compile_is_alone_in_that(
    sanitizing: HostCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generate(plan: Any, out: Path, *, command: str) -> Any:
        made = original(plan, out, command=command)
        if plan.graph.ops[0].kind.value == "SOFTMAX":
            (out / "model.c").write_text("this is no C", encoding="ascii")
        return made

    original = compiled.generate
    monkeypatch.setattr(compiled, "generate", generate)
    rng = np.random.default_rng(3)
    names = ("pad", "softmax", "mean")
    models = {n: random_operator(SeededDraw(rng), name) for n, name in enumerate(names)}
    verdicts = check_models(sanitizing, models)
    assert [verdicts[number].kind for number in range(3)] == ["equal", "failed", "equal"]
    assert "does not compile" in verdicts[1].message


def test_a_number_means_the_same_model_every_time() -> None:
    assert seeded_model(7, 12) == seeded_model(7, 12)
    assert len({seeded_model(7, number) for number in range(20)}) == 20
    graphs = [parse_graph(seeded_model(7, number), "m", "m") for number in (9, 12, 15)]
    assert max(len(graph.ops) for graph in graphs) > 1


@pytest.mark.slow
@pytest.mark.emulator
@pytest.mark.needs("unicorn")
def test_make_fuzz_in_small(sanitizing: HostCompiler) -> None:
    command = [sys.executable, "tools/fuzz.py", "--seed", "11", "--count", "30"]
    command += ["--jobs", "1", "--emulated", "1"]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = read_json(cache_path() / "fuzz" / "last.json")
    assert (summary["seed"], summary["models"], summary["failures"]) == (11, 30, {})
    assert summary["emulated"] == 1
