"""Search for schedules: the least memory, and the fewest steps within a limit of memory.

Both are dynamic programmes over the places where one span ends and the next begins. There every
buffer that is still needed is complete, so what happens in a span does not depend on the others.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Callable

from pipeline.plan.flow import Flow, Layer
from pipeline.plan.lifetimes import blocks_of, live_bytes
from pipeline.plan.schedule import Span, parts_of
from pipeline.records import TENSOR_ALIGNMENT_BYTES

# Steps of one layer, at most: taller images are computed several rows at a time.
_MOST_ROUNDS = 256
# Layers by which a span with fewer steps may be longer than the longest with the smallest peak.
_MORE_LAYERS = 2


class ScheduleSearch:
    """Schedules of one model; what was found out about a span is kept.

    Args:
        flow: the model.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._peaks: dict[Span, int] = {}
        self._smallest: list[Span] | None = None
        count = len(flow.layers)
        self._between = [self._bytes_between(place) for place in range(count + 1)]

    def peak_bytes(self, span: Span) -> int:
        """The largest live set while a span runs; no placement of it can be smaller."""
        if span not in self._peaks:
            parts = parts_of(self._flow, span)
            blocks = blocks_of(self._flow, parts, span.first, span.last)
            self._peaks[span] = int(live_bytes(blocks).max())
        return self._peaks[span]

    def smallest(self) -> list[Span]:
        """The spans with the smallest peak, in the finest steps."""

        def extend(first: int, last: int, before: float, found: float) -> float | None:
            bound = max(before, self._between[first], self._between[last + 1])
            if bound >= found:
                return None
            return max(before, self.peak_bytes(self._finest(first, last)))

        if self._smallest is None:
            count = len(self._flow.layers)
            self._smallest = [self._finest(*ends) for ends in self._partition(extend, count)]
        return self._smallest

    def cheapest(self, limit_bytes: int) -> list[Span]:
        """The spans with the fewest steps among those whose peaks stay within a limit.

        Args:
            limit_bytes: at least the peak of `smallest`.
        """

        def extend(first: int, last: int, before: float, found: float) -> float | None:
            if before + last - first + 1 >= found:
                return None
            span = self._fewest_rounds(first, last, limit_bytes)
            return None if span is None else before + self.steps(span)

        longest = _MORE_LAYERS + max(map(self.layers, self.smallest()), default=0)
        spans = []
        for first, last in self._partition(extend, longest):
            span = self._fewest_rounds(first, last, limit_bytes)
            assert span is not None
            spans.append(self._with_wider_bands(span, limit_bytes))
        return spans

    def steps(self, span: Span) -> int:
        """Number of steps of a span."""
        return sum(
            -(-layer.units // band)
            for layer, band in zip(self._layers(span.first, span.last), span.bands, strict=True)
        )

    def may_turn(self, span: Span) -> bool:
        """Whether a span may be computed upward: no layer adds up rows in their order."""
        return not any(layer.accumulates for layer in self._layers(span.first, span.last))

    def layers(self, span: Span) -> int:
        """Number of layers of a span: its steps if all of them were computed whole."""
        return span.last - span.first + 1

    def _layers(self, first: int, last: int) -> tuple[Layer, ...]:
        return self._flow.layers[first : last + 1]

    def _partition(
        self, extend: Callable[[int, int, float, float], float | None], longest: int
    ) -> list[tuple[int, int]]:
        """First and last layers of the spans with the smallest total cost.

        Args:
            extend: total cost of what lies before a span (third argument) together with a span
                of the two ends, or None where it is not below the fourth argument.
            longest: layers of a span, at most.
        """
        best: list[float] = [0]
        begins: list[int] = []
        for last in range(len(self._flow.layers)):
            found, begin = math.inf, last
            for first in range(last, max(last - longest, -1), -1):
                value = extend(first, last, best[first], found) if best[first] < found else None
                if value is not None and value < found:
                    found, begin = value, first
                # A layer that sees its inputs whole gains nothing from a stream.
                if self._is_whole(last) or (first > 0 and self._is_whole(first - 1)):
                    break
            best.append(found)
            begins.append(begin)
        assert best[-1] < math.inf
        spans = []
        last = len(begins) - 1
        while last >= 0:
            spans.append((begins[last], last))
            last = begins[last] - 1
        return spans[::-1]

    def _is_whole(self, layer: int) -> bool:
        return any(read.window is None for read in self._flow.layers[layer].reads)

    def _bytes_between(self, place: int) -> int:
        """Bytes of the buffers that are complete and needed between two layers."""
        total = 0
        for buffer in self._flow.buffers:
            before = buffer.producer is None or buffer.producer < place
            after = buffer.is_output or max(buffer.consumers, default=-1) >= place
            if before and after:
                words = -(-buffer.rows * buffer.row_bytes // TENSOR_ALIGNMENT_BYTES)
                total += words * TENSOR_ALIGNMENT_BYTES
        return total

    def _finest(self, first: int, last: int) -> Span:
        """A span in steps of single rows, or of as few as _MOST_ROUNDS allows."""
        bands = tuple(-(-layer.units // _MOST_ROUNDS) for layer in self._layers(first, last))
        return Span(first=first, last=last, bands=bands)

    def _fewest_rounds(self, first: int, last: int, limit_bytes: int) -> Span | None:
        """A span whose layers all take the same number of steps, as few as the limit allows."""
        if max(self._between[first], self._between[last + 1]) > limit_bytes:
            return None
        spans = self._rounds(first, last)
        if self.peak_bytes(spans[-1]) > limit_bytes:
            return None
        # Fewer rows at a time never need more memory, or nearly never: then this is not optimal.
        place = bisect.bisect_left(
            range(len(spans) - 1), True, key=lambda i: self.peak_bytes(spans[i]) <= limit_bytes
        )
        return spans[place]

    def _rounds(self, first: int, last: int) -> list[Span]:
        """A span in bands of all rows, of halves, thirds, quarters ... and in the finest steps."""
        layers = self._layers(first, last)
        finest = self._finest(first, last)
        spans = {finest}
        for power in range(_MOST_ROUNDS.bit_length()):
            for rounds in (2**power, 3 * 2**power):
                bands = tuple(-(-layer.units // rounds) for layer in layers)
                if all(map(int.__ge__, bands, finest.bands)):
                    spans.add(dataclasses.replace(finest, bands=bands))
        return sorted(spans, key=lambda span: (self.steps(span), span.bands))

    def _with_wider_bands(self, span: Span, limit_bytes: int) -> Span:
        """The span with the bands of single layers doubled as long as the limit allows it."""
        layers = self._layers(span.first, span.last)
        open_layers = set(range(len(layers)))
        while open_layers:
            place = max(open_layers, key=lambda p: -(-layers[p].units // span.bands[p]))
            band = min(2 * span.bands[place], layers[place].units)
            bands = (*span.bands[:place], band, *span.bands[place + 1 :])
            wider = dataclasses.replace(span, bands=bands)
            if band > span.bands[place] and self.peak_bytes(wider) <= limit_bytes:
                span = wider
            else:
                open_layers.remove(place)
        return span
