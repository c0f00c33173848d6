"""Whether a planned model can fit a board, told before anything is compiled."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.errors import DoesNotFitError
from pipeline.records import AnyPlan, Board, TflmPlan

# What firmware takes beside model and stack, whatever the compiler and the model; most take more.
# Measured with the echo engine, GCC at -Os: 7,908 bytes of flash, 300 of RAM.
_HARNESS_FLASH_BYTES = 7_000
_HARNESS_RAM_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    """What a model needs of one memory.

    Attributes:
        memory: "RAM" or "flash".
        what: "tensor arena" or "weights".
        needed_bytes: of it.
        limit_bytes: of the memory; None where there is no limit.
        taken_bytes: what firmware takes of it at the least.
        because: why there is no more room, in words.
    """

    memory: str
    what: str
    needed_bytes: int
    limit_bytes: int | None
    taken_bytes: int
    because: str

    @property
    def excess_bytes(self) -> int:
        """Bytes that are missing; 0 or less if there is enough."""
        if self.limit_bytes is None:
            return 0
        return self.needed_bytes + self.taken_bytes - self.limit_bytes


def check_fits(plan: AnyPlan, board: Board) -> None:
    """Refuse a model that cannot fit, before anything is compiled.

    What passes may still be too large: kernels, and some of the firmware's variables, are known
    only when they are linked (pipeline/build/size.py looks at that).

    Raises:
        DoesNotFitError: arena or weights leave too little for the firmware: by how much, and what
            would help.
    """
    missing = [need for need in _needs(plan, board) if need.excess_bytes > 0]
    if missing:
        raise DoesNotFitError(
            f"{plan.graph.name}: " + " ".join(_explain(need, plan, board) for need in missing)
        )


def _needs(plan: AnyPlan, board: Board) -> tuple[_Need, _Need]:
    return _ram_need(plan, board), _flash_need(plan, board)


def _ram_need(plan: AnyPlan, board: Board) -> _Need:
    """Of RAM; the arena may also be limited on its own, because it has to be in one piece."""
    from pipeline.build.size import stack_reserve_bytes

    stack = stack_reserve_bytes(board)
    taken = stack + _HARNESS_RAM_BYTES
    limit, because = board.ram_bytes, ""
    if limit is not None:
        parts = f"variables {_HARNESS_RAM_BYTES:,}"
        parts = f"stack {stack:,}, {parts}" if stack else parts
        because = (
            f"board '{board.name}' has {limit:,} B of RAM, of which the firmware takes at least "
            f"{taken:,} ({parts})"
        )
    if board.arena_bytes is not None and (limit is None or board.arena_bytes < limit - taken):
        limit, taken = board.arena_bytes, 0
        because = f"board '{board.name}' has no larger piece of RAM"
    return _Need(
        memory="RAM",
        what="tensor arena",
        needed_bytes=plan.arena_bytes,
        limit_bytes=limit,
        taken_bytes=taken,
        because=because,
    )


def _flash_need(plan: AnyPlan, board: Board) -> _Need:
    because = ""
    if board.flash_bytes is not None:
        because = (
            f"board '{board.name}' has {board.flash_bytes:,} B of flash, of which the firmware "
            f"takes at least {_HARNESS_FLASH_BYTES:,} (without kernels)"
        )
    return _Need(
        memory="flash",
        what="weights",
        needed_bytes=plan.weights_bytes,
        limit_bytes=board.flash_bytes,
        taken_bytes=_HARNESS_FLASH_BYTES,
        because=because,
    )


def _explain(need: _Need, plan: AnyPlan, board: Board) -> str:
    """One memory that is too small: the figures, and the ways out."""
    assert need.limit_bytes is not None
    room = max(0, need.limit_bytes - need.taken_bytes)
    share = math.ceil(100 * need.excess_bytes / need.needed_bytes)
    budget = f"{need.memory.lower()}={need.limit_bytes // 1024}KiB"
    largest = _larger_boards(plan, need.memory)
    other = f": {', '.join(largest)}" if largest else "; of those here none has enough"
    return (
        f"expected a {need.what} of at most {room:,} B: {need.because}. Received: "
        f"{need.needed_bytes:,} B, {need.excess_bytes:,} too many, {share} % of it. "
        f"{_advice(need, plan)}, prune the model "
        f"(`espalier prune MODEL.keras --board {board.name} --budget {budget}`), or take a board "
        f"with more {need.memory}{other}."
    )


def _advice(need: _Need, plan: AnyPlan) -> str:
    """What to change of the model, and where."""
    if need.memory == "flash":
        return "Use a smaller width"
    if isinstance(plan, TflmPlan):
        return "Use a smaller input or fewer channels, take --engine aot"
    from pipeline.report.memory import live_bytes

    fullest = max(range(len(plan.steps)), key=lambda step: live_bytes(plan, step))
    op = plan.graph.ops[plan.steps[fullest].op]
    return (
        f"It is fullest at {op.kind.value} '{op.name}': use a smaller input, or fewer channels "
        "there (`espalier plan` shows every layer)"
    )


def _larger_boards(plan: AnyPlan, memory: str) -> list[str]:
    """Other boards with enough of a memory; none that is no microcontroller."""
    from pipeline.device.board import board_names, load_board

    boards = [load_board(name) for name in board_names()]
    return [
        board.name
        for board in boards
        for need in _needs(plan, board)
        if need.memory == memory and need.limit_bytes is not None and need.excess_bytes <= 0
    ]
