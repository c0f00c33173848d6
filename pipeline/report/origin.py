"""Where a figure comes from; figures of different origins are always told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MEASURED, EMULATED, ESTIMATED, COMPUTED = "measured", "emulated", "estimated", "computed"
PUBLISHED = "published"

ORIGINS = {
    MEASURED: "Read from a counter of a real board.",
    EMULATED: "Counted exactly by an emulator of the board; instructions are neither cycles nor "
    "time.",
    ESTIMATED: "Worked out from the published timings of the core; not measured.",
    COMPUTED: "Exact, from files on this computer: the model, its memory plan, the linked image, "
    "or TFLite's reference kernels.",
    PUBLISHED: "Stated by others, or re-measured from what they published.",
}

_EMULATORS = ("qemu", "unicorn", "renode", "fake")
_BOARD_CLOCKS = ("cycles", "microseconds")


def device_origin(deployment: Mapping[str, Any]) -> str:
    """Where the figures of a deployment's device come from.

    Args:
        deployment: the JSON object of pipeline/report/deployment.py; may be empty.
    """
    if deployment.get("emulator") in _EMULATORS:
        return EMULATED
    return MEASURED if deployment.get("clock") in _BOARD_CLOCKS else COMPUTED
