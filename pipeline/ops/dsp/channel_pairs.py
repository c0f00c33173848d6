"""The stream of firmware/lib/kernels/dsp/channel_pairs.h: which forms are exact, and its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from pipeline.ops.dsp.accumulators import Accumulators
from pipeline.steps import Forms, Int64Array, check_nearest, fit_floor

# Shifts that are part of the kernels' instructions.
_BYTES_SHIFT = 14
_HALVES_SHIFT = 12

# Of a channel b in bytes: its sum comes out multiplied by 256, and must fit.
_BYTES_PRESCALE = 8

# Room for the rounding constant -128 << shift.
_LARGEST_SHIFT = 24


class Kernel(Enum):
    """The kernels, by the names of their functions."""

    BYTES_FLOOR = "bytes_floor"
    BYTES_NEAREST = "bytes_nearest"
    HALVES_FLOOR = "halves_floor"
    HALVES_NEAREST = "halves_nearest"
    SLIDING_FLOOR = "sliding_floor"
    SLIDING_NEAREST = "sliding_nearest"
    NIBBLES_FLOOR = "nibbles_floor"
    NIBBLES_NEAREST = "nibbles_nearest"

    @property
    def nibbles(self) -> bool:
        """Whether weights take half a byte."""
        return self in (Kernel.NIBBLES_FLOOR, Kernel.NIBBLES_NEAREST)

    @property
    def halves(self) -> bool:
        """Whether weights take two bytes."""
        return self in (Kernel.HALVES_FLOOR, Kernel.HALVES_NEAREST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """What the stream says about channels.

    Attributes:
        weights: [channels, depth], multiplied by a power of two for kernels of halves.
        bias, multiplier, rounding, shift: [channels].
    """

    weights: Int64Array
    bias: Int64Array
    multiplier: Int64Array
    rounding: Int64Array
    shift: Int64Array


def fit(accumulators: Accumulators, kernel: Kernel) -> Channels | None:
    """What the stream has to say for a kernel to be exact; None where it cannot be."""
    channels = _FITS[kernel](accumulators)
    if channels is None or not _in_range(channels, kernel):
        return None
    return None if kernel.nibbles and not _fits_16(accumulators) else channels


def _bytes_floor(accumulators: Accumulators) -> Channels | None:
    exponent = accumulators.exponent
    least = np.maximum(_BYTES_SHIFT + 1 - exponent, 0)
    fixed = np.full_like(exponent, _BYTES_SHIFT)
    a = _fit_floor(accumulators, least, fixed)
    # Other numbers of bits of the sum and of the multiplier, for exponents out of the ordinary.
    for more in (1, 2, 4, 6):
        a = a.or_else(_fit_floor(accumulators, least + more, fixed))
    times_256 = np.full_like(exponent, _BYTES_PRESCALE)
    most = np.clip(exponent + _BYTES_PRESCALE - 1, 0, _LARGEST_SHIFT)
    b = _fit_floor(accumulators, times_256, most)
    for less in (1, 2):
        b = b.or_else(_fit_floor(accumulators, times_256, most - less))
    is_a = np.arange(len(exponent)) % 2 == 0
    return _channels(
        accumulators,
        multiplier=np.where(is_a, a.multiplier, b.multiplier),
        rounding=np.where(is_a, a.rounding, b.rounding),
        shift=np.where(is_a, a.prescale, b.shift),
        exact=np.where(is_a, a.exact, b.exact & _fits_256(accumulators)),
        constant_shift=np.where(is_a, _BYTES_SHIFT, 0),
    )


def _bytes_nearest(accumulators: Accumulators) -> Channels | None:
    forms = _nearest(accumulators)
    is_a = np.arange(len(forms.shift)) % 2 == 0
    return _channels(
        accumulators,
        multiplier=forms.multiplier,
        rounding=forms.rounding,
        shift=forms.shift,
        exact=forms.exact & (is_a | _fits_256(accumulators)),
        constant_shift=np.zeros_like(forms.shift),
    )


def _halves_floor(accumulators: Accumulators) -> Channels | None:
    largest = np.abs(accumulators.weights).max(axis=1, initial=0)
    room = np.array([15 - int(value).bit_length() for value in largest])
    exponent = accumulators.exponent
    fixed = np.full_like(exponent, _HALVES_SHIFT)
    forms = _fit_floor(accumulators, np.maximum(_HALVES_SHIFT + 1 - exponent, 0), fixed)
    for less in range(4):
        other = _fit_floor(accumulators, room - less, fixed)
        forms = forms.or_else(other)
    return _channels(
        accumulators,
        multiplier=forms.multiplier,
        rounding=forms.rounding,
        shift=np.zeros_like(exponent),
        exact=forms.exact & (forms.prescale <= room),
        constant_shift=fixed,
        prescale=forms.prescale,
    )


def _halves_nearest(accumulators: Accumulators) -> Channels | None:
    forms = _nearest(accumulators)
    return _channels(
        accumulators,
        multiplier=forms.multiplier,
        rounding=forms.rounding,
        shift=forms.shift,
        exact=forms.exact,
        constant_shift=np.zeros_like(forms.shift),
        prescale=np.ones_like(forms.shift),
    )


_FITS: Mapping[Kernel, Callable[[Accumulators], Channels | None]] = {
    Kernel.BYTES_FLOOR: _bytes_floor,
    Kernel.BYTES_NEAREST: _bytes_nearest,
    Kernel.HALVES_FLOOR: _halves_floor,
    Kernel.HALVES_NEAREST: _halves_nearest,
    Kernel.SLIDING_FLOOR: _bytes_floor,
    Kernel.SLIDING_NEAREST: _bytes_nearest,
    Kernel.NIBBLES_FLOOR: _bytes_floor,
    Kernel.NIBBLES_NEAREST: _bytes_nearest,
}


def _fit_floor(accumulators: Accumulators, prescale: Int64Array, shift: Int64Array) -> Forms:
    """Forms of given shifts, with the multiplier that belongs to them."""
    # sum * 2**prescale * m / 2**(32 + shift) = sum * multiplier / 2**(31 + exponent)
    left = shift + 1 - prescale - accumulators.exponent
    right = np.clip(-left, 0, 31)
    rounded = (accumulators.multiplier + ((1 << right) >> 1)) >> right
    multiplier = np.where(left > 0, -1, rounded)
    return fit_floor(accumulators.steps, prescale, multiplier, shift)


def _nearest(accumulators: Accumulators) -> Forms:
    return check_nearest(
        accumulators.steps,
        accumulators.multiplier,
        accumulators.exponent,
        accumulators.zero_point,
    )


def _fits_256(accumulators: Accumulators) -> npt.NDArray[np.bool_]:
    """[channels], whether 256 times the sum stays within 32 bits."""
    steps = accumulators.steps
    return ((steps.lowest >= -(1 << 23)) & (steps.highest < 1 << 23))[:, 0]


def _fits_16(accumulators: Accumulators) -> bool:
    """Whether 16 times each sum stays within 32 bits."""
    steps = accumulators.steps
    return bool((steps.lowest >= -(1 << 27)).all() and (steps.highest < 1 << 27).all())


def _channels(
    accumulators: Accumulators,
    *,
    multiplier: Int64Array,
    rounding: Int64Array,
    shift: Int64Array,
    exact: npt.NDArray[np.bool_],
    constant_shift: Int64Array,
    prescale: Int64Array | None = None,
) -> Channels | None:
    """Put channels together that are exact, and constant ones; None if others are left.

    Channels whose result is always the same get no weights: their sums may be too large.

    Args:
        accumulators: of the layer.
        multiplier, rounding, shift, exact: [channels], of the forms.
        constant_shift: [channels], by which a rounding constant is shifted where the sum is zero
            and the shift that the stream holds is 0.
        prescale: [channels], of weights and bias.
    """
    constant = accumulators.steps.constant
    if not (exact | constant).all():
        return None
    scale = 1 << np.where(constant, 0, 0 if prescale is None else prescale)
    scale = np.where(constant, 0, scale)
    return Channels(
        weights=accumulators.weights * scale[:, np.newaxis],
        bias=accumulators.bias * scale,
        multiplier=np.where(constant, 0, multiplier),
        rounding=np.where(constant, accumulators.steps.first << constant_shift, rounding),
        shift=np.where(constant, 0, shift),
    )


def _in_range(channels: Channels, kernel: Kernel) -> bool:
    """Whether the weights of each pair, or each weight, fit 16 bits; for nibbles, 8."""
    values = channels.weights
    if kernel.nibbles:
        a, b = _pairs(values)
        fits = (a >= -8) & (a <= 7) & (a + 16 * b >= -128) & (a + 16 * b <= 127)
        return bool(fits.all())
    if not kernel.halves:
        values = _pairs(values)[0] + 256 * _pairs(values)[1]
    return bool((np.abs(2 * values + 1) <= 0xFFFF).all())


def _pairs(values: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Rows a and b of each pair; zeros for a b that is not there."""
    a, b = values[0::2], values[1::2]
    missing = np.zeros((len(a) - len(b), *a.shape[1:]), dtype=a.dtype)
    return a, np.concatenate([b, missing])


def stream(channels: Channels, kernel: Kernel, lanes: npt.NDArray[np.intp]) -> Int64Array:
    """The words of the stream, as signed numbers of 32 bits.

    Args:
        channels: from `fit`.
        kernel: that reads it.
        lanes: [words, 2], which value of the depth each lane of the weights' words, in order,
            belongs to; -1: none.
    """
    padded = np.concatenate(
        [channels.weights, np.zeros((len(channels.weights), 1), dtype=np.int64)], axis=1
    )
    a, b = _pairs(padded[:, lanes])
    if kernel.halves:
        # For each block the words of a, then those of b.
        blocks = [half.reshape(len(a), -1, 2, 2) for half in (a, b)]
        words = _words(np.stack(blocks, axis=2)).reshape(len(a), -1)
    elif kernel.nibbles:
        # Of a block, the first word's values are the bytes 0 and 2.
        values = (a + 16 * b).reshape(len(a), -1, 2, 2).swapaxes(2, 3).reshape(len(a), -1, 4)
        words = (values & 0xFF) @ (1 << np.arange(0, 32, 8))
    else:
        words = _words(a + 256 * b)
    bias_a, bias_b = _pairs(channels.bias)
    shift_a, shift_b = _pairs(channels.shift)
    shifts = shift_a + 256 * shift_b
    shifts[-1] -= 1 << 31
    tail = [
        *(values[0] for values in map(_pairs, (channels.multiplier, channels.rounding))),
        shifts,
        *(values[1] for values in map(_pairs, (channels.multiplier, channels.rounding))),
    ]
    if kernel.nibbles:
        head = [16 * bias_a, bias_a + 16 * bias_b]
    else:
        head = [bias_a, bias_b if kernel.halves else bias_a + 256 * bias_b]
    pairs = np.concatenate([np.stack(head, 1), words, np.stack(tail, 1)], axis=1)
    return pairs.reshape(-1).astype(np.uint32).astype(np.int32).astype(np.int64)


def _words(values: Int64Array) -> Int64Array:
    """Pairs of int16 lanes [..., 2] as words."""
    return (values[..., 1] << 16) | (values[..., 0] & 0xFFFF)
