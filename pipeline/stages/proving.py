"""Proof that two .tflite files give the same outputs, on each runtime that can run them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.errors import MismatchError, UnsupportedModelError
from pipeline.plan.slim.inputs import ModelInput, model_inputs
from pipeline.records import Array

_RANDOM_INPUTS = 24
_SEED = 0

_Run = Callable[[bytes], Sequence[Array]]


def prove_same(before: bytes, after: bytes, origin: str) -> dict[str, Any]:
    """Run two files on random inputs and on extreme ones.

    Args:
        before, after: the bytes of the files.
        origin: where the first one lies, for messages.
    Returns:
        The number of inputs, and what became of each runtime, as a JSON object.
    Raises:
        MismatchError: any output differs, or only the first file runs.
    """
    x = proof_inputs(model_inputs(before))
    report: dict[str, Any] = {"inputs": len(x[0])}
    report["reference"], _ = _compare(before, after, lambda data: _reference(data, x), origin)
    host, heads = _host_tflm(before, after, x, origin)
    return report | {"tflm": host | heads}


def proof_inputs(inputs: Sequence[ModelInput]) -> tuple[Array, ...]:
    """Samples for each input: the least, the greatest, the zero point everywhere, then random ones.

    Returns:
        One array [samples, *shape with batch] per input.
    """
    rng = np.random.default_rng(_SEED)
    return tuple(_samples(one, rng) for one in inputs)


def _samples(one: ModelInput, rng: np.random.Generator) -> Array:
    extremes = [np.full(one.shape, value) for value in (one.low, one.high, one.zero_point)]
    size = (_RANDOM_INPUTS, *one.shape)
    dtype = np.dtype(one.dtype)
    if dtype.kind == "f":
        drawn: Array = rng.uniform(one.low, one.high, size)
    else:
        drawn = rng.integers(int(one.low), int(one.high), size, endpoint=True)
    return np.concatenate([np.stack(extremes).astype(dtype), drawn.astype(dtype)])


def _reference(data: bytes, x: tuple[Array, ...]) -> Sequence[Array]:
    from pipeline.reference import ReferenceModel

    return ReferenceModel(data).run(x)


def _host_tflm(
    before: bytes, after: bytes, x: Sequence[Array], origin: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What TFLM on this computer answers, and its heads before and after."""
    from pipeline.device.tflm_host import PACKAGE, is_installed, run_on_host

    if not is_installed():
        reason = f"the package {PACKAGE} is not installed"
        return {"equal": None, "reason": reason}, {}
    heads: list[int] = []

    def run(data: bytes) -> Sequence[Array]:
        answer = run_on_host(data, x)
        heads.append(answer.head_bytes)
        return answer.outputs

    report, equal = _compare(before, after, run, origin)
    return report, {"head_bytes_before": heads[0], "head_bytes": heads[1]} if equal else {}


def _compare(before: bytes, after: bytes, run: _Run, origin: str) -> tuple[dict[str, Any], bool]:
    """Whether a runtime answers the same; None where it cannot run the first file.

    Raises:
        MismatchError: it does not.
    """
    try:
        expected = run(before)
    except UnsupportedModelError as error:
        return {"equal": None, "reason": str(error)}, False
    try:
        received = run(after)
    except UnsupportedModelError as error:
        raise MismatchError(
            f"{origin}: the new file must run where the old one does. Received: {error} Nothing "
            "was written; please report the model as a bug."
        ) from error
    if len(expected) != len(received) or not all(map(_equal, expected, received)):
        raise MismatchError(
            f"{origin}: the new file must give the same outputs. Received: others, for some of "
            f"{_RANDOM_INPUTS} random inputs and the extremes. Nothing was written; please report "
            "the model as a bug."
        )
    return {"equal": True, "reason": None}, True


def _equal(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
