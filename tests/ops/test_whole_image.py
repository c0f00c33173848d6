"""AVERAGE_POOL_2D and MEAN over a whole image, which arrives a few rows at a time."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.plan.deploy import make_plan
from pipeline.records import KernelTarget
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact, assert_sane
from tests.small_models import image
from tests.tflite_models import ModelBuilder

# Height, width and channels of the image; the last has more pixels than a 16-bit sum takes.
SIZES = [(12, 5, 4), (9, 3, 6), (20, 2, 1), (8, 8, 9), (6, 7, 3), (2, 4, 12), (40, 9, 5)]


def averaged(kind: str, size: tuple[int, int, int]) -> bytes:
    """A convolution, the average of all its pixels, and a layer on that."""
    height, width, channels = size
    builder = ModelBuilder()
    rng = np.random.default_rng(3)
    x = image(builder, (1, height, width, 2))
    deep = one_op.conv_2d(builder, rng, x, channels=channels, output=(0.05, 11))
    if kind == "MEAN":
        pooled = one_op.mean(builder, rng, deep, output=(0.03, -7))
    else:
        pooled = one_op.pool_2d(builder, rng, deep, kind=kind, kernel=(height, width))
    y = one_op.fully_connected(builder, rng, pooled, outputs=3, inputs=channels)
    return builder.build([x], [y])


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MEAN"])
def test_equals_reference(kind: str, size: tuple[int, int, int], compiler: HostCompiler) -> None:
    graph = assert_exact(averaged(kind, size), compiler)
    steps = make_plan(graph, KernelTarget.PORTABLE).steps
    if size[0] * size[1] * size[2] > 200:
        # The image is never whole in memory.
        assert sum(step.op == 1 for step in steps) > 1


@pytest.mark.parametrize("size", SIZES[:3], ids=str)
@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MEAN"])
def test_stays_in_its_rows(kind: str, size: tuple[int, int, int], compiler: HostCompiler) -> None:
    assert_sane(averaged(kind, size), compiler)
