"""Figures as a page shows them: the text, and where in the JSON the number stands."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.report.origin import device_origin

Key = str | int

# TensorFlow's names of what a model gives.
_OUTPUT = re.compile(r"StatefulPartitionedCall(_\d+)?:\d+")


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure on a page.

    Attributes:
        text: for people.
        key: JSON pointer (RFC 6901) of the value in the report; "" where it was worked out here.
        value: as JSON has it.
    """

    text: str
    key: str = ""
    value: str = ""


class Facts:
    """A report, and its figures by their keys.

    Args:
        report: the JSON object of a run or of a deployment's page.
    """

    def __init__(self, report: Mapping[str, Any]) -> None:
        self.report = report

    def get(self, *keys: Key) -> Any:
        """A value; None where something on the way is missing."""
        value: Any = self.report
        for key in keys:
            if isinstance(value, Mapping):
                value = value.get(key)
            elif isinstance(value, Sequence) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return None
        return value

    def bytes(self, *keys: Key) -> Shown:
        """A size."""
        return self._shown(keys, lambda value: f"{value:,} B")

    def count(self, *keys: Key) -> Shown:
        """A whole number."""
        return self._shown(keys, lambda value: f"{value:,}")

    def percent(self, *keys: Key) -> Shown:
        """A share in [0, 1]."""
        return self._shown(keys, lambda value: f"{value:.2%}")

    def real(self, *keys: Key) -> Shown:
        """A number with a fraction."""
        return self._shown(keys, lambda value: f"{value:.4g}")

    def _shown(self, keys: tuple[Key, ...], text: Any) -> Shown:
        value = self.get(*keys)
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return Shown("–")
        return Shown(text(value), pointer(keys), repr(value))

    @property
    def accuracy_step(self) -> str | None:
        """Where the accuracy of the int8 model stands below "accuracy"; None where nowhere.

        That of the device, unless only some of the test samples went through it: its outputs are
        those of the reference kernels, bit by bit, and more samples say more.
        """
        counts = {key: self.get("accuracy", key, "samples") for key in ("device", "int8")}
        known = {key: count for key, count in counts.items() if count is not None}
        return max(known, key=lambda key: known[key]) if known else None

    @property
    def ticks(self) -> str:
        """What one tick of the device is, as keys spell it."""
        clock = str(self.get("deployment", "clock"))
        return "host_ticks" if clock == "host" else clock

    @property
    def origin(self) -> str:
        """Where the device's figures come from: one of ORIGINS."""
        return device_origin(self.get("deployment") or {})


def pointer(keys: Sequence[Key]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def short_names(names: Sequence[str]) -> list[str]:
    """What tells layers apart in their names, in a few characters.

    TFLite joins the names of fused tensors with semicolons, and puts the models' names in front:
    the first name counts, from where it no longer is that of nearly all others. What the converter
    calls the models' outputs says nothing.
    """
    paths = [name.split(";")[0].split("/") for name in names]
    while True:
        first = {path[0] for path in paths if len(path) > 1}
        sharing = sum(len(path) > 1 for path in paths)
        if len(first) != 1 or sharing < 2:
            break
        paths = [path[1:] if len(path) > 1 else path for path in paths]
    return [_OUTPUT.sub("output", path[0]) or "layer" for path in paths]
