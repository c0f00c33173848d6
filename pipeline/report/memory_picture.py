"""A picture of a memory plan: the bytes of the arena over the steps of the schedule, as SVG."""

from __future__ import annotations

from html import escape

from pipeline.records import DeployPlan, Placement

_WIDTH, _HEIGHT = 960, 480
_LEFT, _TOP, _BOTTOM = 64, 24, 36
_FONT = 'font-family="sans-serif" font-size="11"'
# Neighbours in time get hues far apart.
_HUE_STEP = 137
# Names are written where their buffer is at least this wide and high.
_LABEL_WIDTH, _LABEL_HEIGHT = 70, 14


def memory_picture(plan: DeployPlan) -> str:
    """Draw the occupied bytes of every buffer from the first step to the last.

    A buffer that grows or is read away row by row shows as a staircase. One layer's steps lie
    between two thin lines.

    Args:
        plan: the plan.
    Returns:
        An SVG document.
    """
    picture = _Picture(plan)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f"<title>{escape(plan.graph.name)}: {plan.arena_bytes:,} bytes of arena</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *picture.layers(),
        *(picture.buffer(number, place) for number, place in enumerate(plan.placements)),
        *picture.axes(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Picture:
    """The parts of the picture; time runs to the right, addresses upward."""

    def __init__(self, plan: DeployPlan) -> None:
        self._plan = plan
        # One more than the steps: before the first, the inputs are there.
        self._x_step = (_WIDTH - _LEFT - 8) / (len(plan.steps) + 1)
        self._y_step = (_HEIGHT - _TOP - _BOTTOM) / max(plan.arena_bytes, 1)

    def _x(self, step: int) -> float:
        return round(_LEFT + (step + 1) * self._x_step, 2)

    def _y(self, byte: int) -> float:
        return round(_HEIGHT - _BOTTOM - byte * self._y_step, 2)

    def buffer(self, number: int, place: Placement) -> str:
        """The bytes of one buffer: along its upper edge, and back along its lower."""
        ends = [extent.step for extent in place.extents[1:]] + [len(self._plan.steps)]
        pieces = []
        for extent, end in zip(place.extents, ends, strict=True):
            if extent.end_byte > extent.first_byte:
                left, right = self._x(extent.step), self._x(end)
                low = self._y(place.offset_bytes + extent.first_byte)
                high = self._y(place.offset_bytes + extent.end_byte)
                pieces.append(f"M{left} {low}V{high}H{right}V{low}Z")
        tensors = self._plan.graph.tensors
        name = ", ".join(tensors[index].name.split(";")[0] for index in place.tensors)
        if place.scratch_of is not None:
            name = f"scratch of layer {place.scratch_of}"
        rows = "" if place.ring is None else f", {place.ring} rows"
        color = f"hsl({number * _HUE_STEP % 360} 55% 75%)"
        title = escape(f"{name}: {place.size_bytes:,} bytes{rows}")
        return f'<path d="{"".join(pieces)}" fill="{color}"><title>{title}</title></path>'

    def layers(self) -> list[str]:
        """A line before the first step of each layer, and its number where there is room."""
        lines = []
        free_from = 0.0
        seen: set[int] = set()
        for number, step in enumerate(self._plan.steps):
            if step.op in seen:
                continue
            seen.add(step.op)
            x = self._x(number)
            lines.append(f'<path d="M{x} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#ddd"/>')
            if x >= free_from:
                lines.append(f'<text x="{x}" y="{_TOP - 6}">{step.op}</text>')
                free_from = x + 18
        return lines

    def axes(self) -> list[str]:
        """The frame, bytes at the left, steps at the bottom."""
        arena, steps = self._plan.arena_bytes, len(self._plan.steps)
        lines = [
            f'<path d="M{_LEFT} {_TOP}V{self._y(0)}H{self._x(steps)}" fill="none" stroke="black"/>',
            f'<text x="{_LEFT}" y="{_HEIGHT - 8}">{steps} steps; above, where layers begin</text>',
        ]
        for part in range(5):
            byte = arena * part // 4
            lines.append(
                f'<text x="{_LEFT - 6}" y="{self._y(byte) + 4}" text-anchor="end">{byte:,}</text>'
            )
        return lines
