"""Schedules: spans of layers, each computed as a stream of rows, one span after the other.

A span of one layer in one band is an ordinary layer. In a longer span the rows of the last layer
drive the others: a layer computes its next rows when a later one needs them, and no row is ever
computed twice. Between two spans every buffer that is still needed is complete.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.plan.flow import Flow, Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Neighbouring layers that are computed together.

    Attributes:
        first, last: positions of the layers, both inclusive.
        bands: units that each of them computes in a step.
        upward: whether rows are computed from the last to the first. An output then grows into
            its input from the other side, so that a chain of layers need not creep through memory.
    """

    first: int
    last: int
    bands: tuple[int, ...]
    upward: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One step: units first to end - 1 of a layer."""

    layer: int
    first: int
    end: int


def parts_of(flow: Flow, span: Span) -> list[Part]:
    """The steps of a span, in order."""
    return _Stream(flow, span).run()


class _Stream:
    """The rows of a span, computed on demand; counted from the last one where it goes upward."""

    def __init__(self, flow: Flow, span: Span) -> None:
        self._flow = flow
        self._span = span
        self._parts: list[Part] = []
        self._done = [0] * (span.last - span.first + 1)
        layers = flow.layers[span.first : span.last + 1]
        self._units = [layer.units for layer in layers]
        self._sources = [
            [
                (read.mirrored(layer.units) if span.upward else read, source)
                for read in layer.reads
                if (source := self._producer(read)) is not None
            ]
            for layer in layers
        ]

    def _producer(self, read: Read) -> int | None:
        """Position in the span of the layer that writes what is read; None outside."""
        producer = self._flow.buffers[read.buffer].producer
        if producer is None or not self._span.first <= producer <= self._span.last:
            return None
        return producer - self._span.first

    def run(self) -> list[Part]:
        read = {source for sources in self._sources for _, source in sources}
        ends = [place for place in range(len(self._units)) if place not in read]
        # Several ends advance at the same pace, so that what they share can go soon.
        while open_ends := [p for p in ends if self._done[p] < self._units[p]]:
            place = min(open_ends, key=lambda p: self._done[p] / self._units[p])
            self._advance(place, self._done[place] + 1)
        # Rows that no one in the span asked for.
        for place, units in enumerate(self._units):
            self._advance(place, units)
        return self._parts

    def _advance(self, place: int, target: int) -> None:
        """Compute a layer until `target` units are there, and before them what they need."""
        layer = self._flow.layers[self._span.first + place]
        while self._done[place] < target:
            first = self._done[place]
            end = min(first + self._span.bands[place], layer.units)
            for read, source in self._sources[place]:
                before = self._flow.layers[self._span.first + source]
                self._advance(source, before.units_for(read.rows(first, end).stop))
            self._done[place] = end
            self._parts.append(self._part(place, first, end))

    def _part(self, place: int, first: int, end: int) -> Part:
        if self._span.upward:
            units = self._units[place]
            first, end = units - end, units - first
        return Part(self._span.first + place, first, end)
