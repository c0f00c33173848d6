"""A simulated board that runs a small model right, with a counter whose every value is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import stages
from pipeline.device.board import load_board
from pipeline.reference import ReferenceModel
from tests.pty_board import PtyBoard

# Not a multiple of anything that the measurement does, so that a shift shows.
TICKS = tuple(64_000 + 100 * step for step in (0, 7, 3, 11, 5, 2, 9))
BUILD_ID = "fedcba9876543210"


def reference(tflite: Path) -> Callable[[bytes], bytes]:
    model = ReferenceModel(tflite.read_bytes())

    def run(inputs: bytes) -> bytes:
        x = np.frombuffer(inputs, np.int8).reshape(1, 8, 8, 3)
        return model.run((x,))[0].tobytes()

    return run


def board_with(tflite: Path, **options: Any) -> PtyBoard:
    """A simulated board that runs a model right."""
    plan = stages.plan_model(tflite, load_board("mps2_an386"))
    facts = {
        "build_id": BUILD_ID,
        "model_sha256": plan.graph.sha256,
        "engine": "aot",
        "board": "mps2_an386",
        "arena_bytes": plan.arena_bytes,
        "layers": len(plan.graph.ops),
        "free_heap_bytes": 4321,
        "reset_reason": "pin",
    }
    model = options.pop("model", None) or reference(tflite)
    return PtyBoard(
        model,
        input_bytes=(192,),
        output_bytes=(256,),
        facts={**facts, **options.pop("facts", {})},
        ticks=options.pop("ticks", TICKS),
        **options,
    )
