"""What quantization can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EdgeType = Literal["int8", "uint8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeTypes:
    """The types of a quantized model's input and output; everything between them is int8.

    A uint8 edge holds the int8 value plus 128, under the same scale.
    """

    input: EdgeType = "int8"
    output: EdgeType = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class PtqSettings:
    """How quantization after training finds its ranges and repairs what it breaks.

    The defaults bring outputs closest to float over the reference models: docs/quantization.md.

    Attributes:
        calibration: what makes a range of the values seen: one of `pipeline.config.CALIBRATIONS`.
        equalize: level the channels' ranges between adjacent layers first.
        correct_bias: take the mean error of each channel out of the biases afterwards.
    """

    calibration: str = "percentile"
    equalize: bool = False
    correct_bias: bool = True

    @property
    def label(self) -> str:
        """In a few words, for tables."""
        extras = [
            name
            for name, is_on in (
                ("equalized", self.equalize),
                ("bias corrected", self.correct_bias),
            )
            if is_on
        ]
        return ", ".join([self.calibration, *extras])
