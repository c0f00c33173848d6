"""Where the bytes of the firmware go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.report.html.chart import BACKGROUND, SERIES, Chart, hover, make_chart
from pipeline.report.html.sections.base import Section
from pipeline.report.html.shown import Facts, short_names
from pipeline.report.origin import COMPUTED

_TITLE = "Flash"
_OWNERS = {
    "weights": ("weights", "constants of the model: filters, biases, requantization factors"),
    "runtime": ("runtime", "kernels, engine, generated code, the compiler's library"),
    "harness": ("harness", "protocol, port, start-up"),
    "framework": ("framework", "core or operating system of the board"),
}
# What is smaller than this share of all, or of its owner's part, shares one tile.
_SMALLEST, _SMALLEST_OF_OWNER = 0.001, 0.004
# Tiles from this share of all on have room for a name; on others a layer is only its number.
_NAMED = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tile:
    """A part of the picture; the tiles under a tile fill it."""

    id: str
    parent: str
    label: str
    size_bytes: int
    owner: str


def section(facts: Facts, pictures: Mapping[str, str]) -> Section:
    """A treemap, the sums, and every symbol."""
    parts = facts.get("flash_parts") or []
    total = facts.get("deployment", "flash", "total_bytes")
    if not parts or total is None:
        why = "The firmware is a program of this computer: it takes no flash."
        if facts.get("deployment") is None:
            why = "The run ended before its firmware was measured."
        return Section(id="flash", title=_TITLE, missing=why)
    layers = facts.get("plan", "layers") or []
    names = [
        f"{index} {name}"
        for index, name in enumerate(short_names([layer["name"] for layer in layers]))
    ]
    sums = [
        {
            "name": words,
            "note": note,
            "size": facts.bytes("deployment", "flash", f"{owner}_bytes"),
            "share": f"{facts.get('deployment', 'flash', f'{owner}_bytes') / total:.1%}",
            "colour": _colour(owner),
        }
        for owner, (words, note) in _OWNERS.items()
        if facts.get("deployment", "flash", f"{owner}_bytes")
    ]
    return Section(
        id="flash",
        title=_TITLE,
        view={
            "origin": COMPUTED,
            "total": facts.bytes("deployment", "flash", "total_bytes"),
            "sums": sums,
            "parts": [_row(facts, index, part, names) for index, part in enumerate(parts)],
            "chart": _chart(_tiles(parts, names), total, sums),
        },
    )


def _colour(owner: str) -> str:
    return SERIES[list(_OWNERS).index(owner)]


def _layer(part: Mapping[str, Any], names: Sequence[str]) -> str:
    layer = part["layer"]
    return "" if layer is None or layer >= len(names) else names[layer]


def _row(facts: Facts, index: int, part: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {
        "owner": part["owner"],
        "symbol": part["symbol"] or "without a symbol",
        "layer": _layer(part, names),
        "size": facts.bytes("flash_parts", index, "bytes"),
    }


def _tiles(parts: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[_Tile]:
    """Owners; in them layers and symbols. What is too small to be seen is put together."""
    total = sum(part["bytes"] for part in parts)
    tiles = [_Tile(id="all", parent="", label="flash", size_bytes=total, owner="")]
    for owner in _OWNERS:
        own = [part for part in parts if part["owner"] == owner]
        if not own:
            continue
        size = sum(part["bytes"] for part in own)
        words = _OWNERS[owner][0]
        tiles.append(_Tile(id=owner, parent="all", label=words, size_bytes=size, owner=owner))
        tiles += _inside(owner, own, names, max(_SMALLEST * total, _SMALLEST_OF_OWNER * size))
    return tiles


def _inside(
    owner: str, parts: Sequence[Mapping[str, Any]], names: Sequence[str], smallest: float
) -> list[_Tile]:
    sizes: dict[str, int] = {}
    for part in parts:
        label = _layer(part, names) or part["symbol"] or "without a symbol"
        sizes[label] = sizes.get(label, 0) + part["bytes"]
    large = {label: size for label, size in sizes.items() if size >= smallest}
    small = {label: size for label, size in sizes.items() if size < smallest}
    if small:
        large[f"and {len(small)} smaller"] = sum(small.values())
    return [
        _Tile(
            id=f"{owner}/{number}",
            parent=owner,
            label=label,
            size_bytes=size,
            owner=owner,
        )
        for number, (label, size) in enumerate(large.items())
    ]


def _label(tile: _Tile, total: int) -> str:
    """What stands on a tile."""
    is_small = tile.size_bytes < _NAMED * total
    number = tile.label.split(" ")[0]
    if is_small and tile.owner == "weights" and number.isdigit():
        return f"#{number}"
    return hover(tile.label)


def _chart(tiles: Sequence[_Tile], total: int, sums: Sequence[Mapping[str, Any]]) -> Chart:
    data = [
        {
            "type": "treemap",
            "ids": [tile.id for tile in tiles],
            "parents": [tile.parent for tile in tiles],
            "labels": [_label(tile, total) for tile in tiles],
            "customdata": [hover(tile.label) for tile in tiles],
            "values": [tile.size_bytes for tile in tiles],
            "branchvalues": "total",
            "hovertemplate": "%{customdata}<br>%{value:,} bytes, %{percentRoot:.1%}<extra></extra>",
            "texttemplate": "%{label}<br>%{value:,}",
            "marker": {
                "colors": [_colour(tile.owner) if tile.owner else BACKGROUND for tile in tiles],
                "line": {"color": BACKGROUND, "width": 1},
                "pad": {"t": 20, "l": 3, "r": 3, "b": 3},
            },
            "tiling": {"pad": 1},
            "pathbar": {"visible": False},
            "textfont": {"color": "#111111"},
            "outsidetextfont": {"color": "var(--ink)"},
        }
    ]
    words = ", ".join(f"{row['name']} {row['size'].text}" for row in sums)
    alt = f"Treemap of {total:,} bytes of flash: {words}. The table below lists every symbol."
    layout = {
        "margin": {"t": 4, "l": 0, "r": 0, "b": 0},
        "uniformtext": {"minsize": 9, "mode": "hide"},
    }
    return make_chart("flash-map", "The image by symbols", alt, data, layout, height=420)
