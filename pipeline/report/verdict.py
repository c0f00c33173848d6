"""The gates of a run: what was asked of it, and whether it holds.

A gate without a limit is open: it shows its figure, and neither passes nor fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

PASSED, FAILED, OPEN = "passed", "failed", "open"

# Budgets by name: words and unit.
_BUDGETS = {
    "ram": ("RAM of the firmware (arena, static data, deepest stack)", "B"),
    "arena": ("tensor arena", "B"),
    "flash": ("flash of the firmware", "B"),
    "macs": ("MACs after pruning", ""),
    "params": ("parameters after pruning", ""),
}


def gates(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Everything that a run had to hold, the most important first.

    Args:
        report: of a run, with its budget, board and image.
    Returns:
        One object per gate: id, title, state ("passed", "failed" or "open"), value, limit, unit,
        and a sentence. `value` and `limit` may be null.
    """
    found = [
        *_outputs(report),
        *_int8(report),
        *_accuracy_budget(report),
        *_budgets(report),
        *_memories(report),
    ]
    failure = report.get("failure")
    if failure is not None and verdict(found) != FAILED:
        # What ended the run is told by no other gate.
        found.insert(0, _gate("finished", "Run", None, None, "", FAILED, failure["message"]))
    return found


def verdict(found: list[dict[str, Any]]) -> str:
    """The state of all gates together."""
    states = {gate["state"] for gate in found}
    return FAILED if FAILED in states else PASSED if PASSED in states else OPEN


def at(report: Any, *keys: str) -> Any:
    """A value deep in a report, or None where something on the way is missing."""
    for key in keys:
        if not isinstance(report, Mapping) or key not in report:
            return None
        report = report[key]
    return report


def _gate(
    identity: str, title: str, value: Any, limit: Any, unit: str, state: str, sentence: str
) -> dict[str, Any]:
    return {
        "id": identity,
        "title": title,
        "state": state,
        "value": value,
        "limit": limit,
        "unit": unit,
        "sentence": sentence,
    }


def _outputs(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    count, samples = (
        at(report, "deployment", "mismatches"),
        at(report, "deployment", "inputs"),
    )
    if count is None:
        return
    sentence = f"{count:,} of {samples:,} outputs differ from TFLite's reference kernels."
    state = FAILED if count else PASSED
    yield _gate("mismatches", "Bit-exact outputs", count, 0, "", state, sentence)


def _int8(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    drop = at(report, "quantize", "balanced_drop")
    limit = at(report, "config", "quantize", "max_drop")
    if drop is None or limit is None:
        return
    points = 100 * drop
    change = f"{'loses' if points > 0 else 'gains'} {abs(points):.2f} points of"
    sentence = f"int8 {change if abs(points) >= 0.005 else 'keeps the'} balanced accuracy"
    if limit >= 100:
        sentence += "; no limit is set (quantize.max_drop)."
        yield _gate("accuracy-drop", "Accuracy of int8", points, None, "points", OPEN, sentence)
        return
    state = FAILED if points > limit else PASSED
    sentence += f"; at most {limit:g} may be lost (quantize.max_drop)."
    yield _gate("accuracy-drop", "Accuracy of int8", points, limit, "points", state, sentence)


def _accuracy_budget(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The accuracy that pruning had to leave.

    Pruning decides by the validation samples; this figure is that of the test samples, so that
    only a floor that pruning itself missed is a failure.
    """
    limit = at(report, "budget", "accuracy")
    value = at(report, "prune", "after", "accuracy")
    if limit is None or value is None:
        return
    sentence = (
        f"{value:.2%} of the test samples are right after pruning; {limit:.2%} of the validation "
        "samples had to be."
    )
    yield _gate("budget-accuracy", "Accuracy budget", value, limit, "share", PASSED, sentence)


def _budgets(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, limit in (at(report, "budget", "limits") or {}).items():
        words, unit = _BUDGETS[name]
        expected, value = _expected_cost(report, name), _real_cost(report, name)
        if value is None:
            value = expected
        if value is None:
            continue
        state = FAILED if value > limit else PASSED
        space = f" {unit}" if unit else ""
        sentence = f"{words}: {value:,}{space}, {_against(value, limit, unit)} of the budget."
        if state == FAILED and expected is not None and expected <= limit:
            sentence += (
                f" Pruning reckoned with {expected:,}{space}: give a budget that is smaller by "
                f"{value - limit:,}{space}."
            )
        yield _gate(f"budget-{name}", f"Budget {name}", value, limit, unit, state, sentence)


def _expected_cost(report: Mapping[str, Any], name: str) -> int | None:
    """What pruning reckoned with: of a firmware of the same shapes with other weights."""
    value: int | None = at(report, "prune", "deployed", f"{name}_bytes")
    return value


def _real_cost(report: Mapping[str, Any], name: str) -> int | None:
    """What the run's own firmware takes, of flash without a framework's part."""
    if name == "flash":
        firmware = at(report, "image", "firmware")
        return None if firmware is None else _own_flash_bytes(firmware)
    places = {
        "ram": ("deployment", "ram", "total_bytes"),
        "arena": ("deployment", "ram", "arena_bytes"),
        "macs": ("prune", "after", "macs"),
        "params": ("prune", "after", "params"),
    }
    value: int | None = at(report, *places[name])
    return value


def _own_flash_bytes(firmware: Mapping[str, int]) -> int:
    """Flash without a framework's part: a board's limit is what its framework leaves."""
    return firmware["flash_bytes"] - firmware["framework_bytes"]


def _memories(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Flash and RAM against the board, as the linker laid them out."""
    size, board = report.get("image"), report.get("board")
    if size is None or board is None:
        return
    firmware = size["firmware"]
    stack = f" with {size['stack_reserve_bytes']:,} B reserved for the stack"
    figures = (
        ("Flash", "", _own_flash_bytes(firmware), board["flash_bytes"]),
        ("RAM", stack, size["ram_bytes"], board["ram_bytes"]),
    )
    for memory, of_it, value, limit in figures:
        title, identity = f"{memory} of the board", f"board-{memory.lower()}"
        if limit is None:
            sentence = f"{memory}: {value:,} B{of_it}; board {board['name']} sets no limit."
            yield _gate(identity, title, value, None, "B", OPEN, sentence)
            continue
        state = FAILED if value > limit else PASSED
        sentence = (
            f"{memory}: {value:,} B{of_it}, {_against(value, limit, 'B')} that board "
            f"{board['name']} has."
        )
        yield _gate(identity, title, value, limit, "B", state, sentence)


def _against(value: int, limit: int, unit: str) -> str:
    return f"{value / limit:.1%} of the {limit:,}{' ' + unit if unit else ''}"
