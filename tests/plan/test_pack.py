"""pack: equal parts of a file once, and constants where kernels want them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.plan.pack import pack
from tests import one_op
from tests.small_models import SMALL_MODELS
from tests.tflite_models import unpacked


def facts(value: Any) -> Any:
    """Everything that an object of the schema holds, comparable."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [facts(entry) for entry in value]
    if hasattr(value, "__dict__"):
        return {name: facts(entry) for name, entry in vars(value).items()}
    return value


@pytest.mark.parametrize("build", SMALL_MODELS.values(), ids=SMALL_MODELS)
def test_nothing_is_lost(build: Any) -> None:
    tflite = build()
    packed = pack(unpacked(tflite))
    assert facts(unpacked(packed)) == facts(unpacked(tflite))
    assert len(packed) < len(tflite)
    assert pack(unpacked(packed)) == packed


def test_equal_vectors_and_tables_are_written_once() -> None:
    model = unpacked(one_op.single(one_op.add, (1, 4, 4, 2), (0.1, 0)))
    one = len(pack(model))
    tensor = model.subgraphs[0].tensors[0]
    model.subgraphs[0].tensors += [tensor] * 100
    # What is left of a tensor that is there already is the offset that leads to it.
    assert len(pack(model)) - one <= 100 * 4 + 16


def test_vectors_of_tables_keep_their_own_tables() -> None:
    model = unpacked(one_op.single(one_op.add, (1, 4, 4, 2), (0.1, 0)))
    names = [b"a", b"b", b"c"]
    for tensor, name in zip(model.subgraphs[0].tensors, names, strict=False):
        tensor.name = name
    again = unpacked(pack(model))
    found = [tensor.name for tensor in again.subgraphs[0].tensors]
    assert found == names[: len(found)]


def test_constants_are_aligned() -> None:
    packed = pack(unpacked(SMALL_MODELS["residual"]()))
    for buffer in unpacked(packed).buffers:
        if buffer.data is not None and len(buffer.data) > 32:
            assert packed.index(buffer.data.tobytes()) % 16 == 0
