"""Pruning on Keras' other backends: the same tests, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import REPOSITORY

# One of each: gradients, a criterion that needs them, surgery with its proof and a file, masks in
# a compiled step, training with a penalty in the loss before and without behind the surgery.
CHOSEN = (
    "test_gradients.py::test_products_are_the_slope_of_the_loss[residual]",
    "test_gradients.py::test_weight_gradients_are_slopes",
    "test_taylor.py::test_it_prunes",
    "test_surgery.py::test_every_kind_of_graph_prunes_saves_and_loads[shared]",
    "test_proof.py::test_a_broken_surgery_shows_behind_a_saturated_activation[dense softmax]",
    "test_masks.py::test_masks_stay_on_while_the_rest_learns[compiled]",
    "methods/test_slimming.py::test_training_in_order",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend", [pytest.param(name, marks=pytest.mark.needs(name)) for name in ("jax", "torch")]
)
def test_what_prunes_on_tensorflow_prunes_elsewhere(backend: str, tmp_path: Path) -> None:
    # Whatever accelerator there is, small models are faster without, and rounding is known.
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    environment["CUDA_VISIBLE_DEVICES"] = ""
    # Options and workers of the suite around are not for this process.
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:xdist",
                "-o",
                f"cache_dir={tmp_path}",
            ),
            *(f"tests/prune/{test}" for test in CHOSEN),
        ],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CHOSEN)} passed" in done.stdout
