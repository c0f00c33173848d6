"""Split the flash of a linked firmware by the symbols in it; the parts add up exactly."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from pipeline.build.elf import open_elf
from pipeline.records import FirmwareSize, FlashPart

# Whose the output sections of boards/*/*.ld are, see size.py.
_OWNERS = {".harness": "harness", ".weights": "weights", ".text": "runtime", ".data": "runtime"}


def flash_parts(elf_path: Path, size: FirmwareSize) -> tuple[FlashPart, ...]:
    """Where every byte of an image goes, largest parts of each owner first.

    An image on a framework is linked by a script that knows none of our parts: it stays whole by
    owner.

    Args:
        elf_path: the image with symbols.
        size: of it. The parts of each owner add up to its figure here; what has no symbol, such
            as literals, padding and unnamed constants, is a part without a symbol.
    Raises:
        BuildError: it is no ELF file.
    """
    owned = {
        "weights": size.weights_bytes,
        "runtime": size.runtime_bytes,
        "harness": size.harness_bytes,
        "framework": size.framework_bytes,
    }
    named = {} if size.framework_bytes else _named(elf_path)
    parts = []
    for owner, total in owned.items():
        symbols = named.get(owner, {})
        rest = total - sum(symbols.values())
        if rest < 0:
            # Symbols that overlap tell nothing about bytes.
            symbols, rest = {}, total
        largest_first = sorted(symbols.items(), key=lambda item: (-item[1], item[0]))
        parts += [FlashPart(owner=owner, symbol=name, size_bytes=n) for name, n in largest_first]
        if rest:
            parts.append(FlashPart(owner=owner, symbol="", size_bytes=rest))
    return tuple(parts)


def _named(elf_path: Path) -> dict[str, dict[str, int]]:
    """Bytes by owner and symbol; symbols of one name are added up."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    with open_elf(elf_path) as elf:
        table = elf.get_section_by_name(".symtab")
        owners = {
            index: _OWNERS[section.name]
            for index, section in enumerate(elf.iter_sections())
            if section.name in _OWNERS and section["sh_type"] != "SHT_NOBITS"
        }
        places = set()
        for symbol in () if table is None else table.iter_symbols():
            owner = owners.get(symbol["st_shndx"])
            place = (symbol["st_shndx"], symbol["st_value"])
            if owner is None or not _has_bytes(symbol) or place in places:
                continue
            places.add(place)
            found[owner][symbol.name] += symbol["st_size"]
    return found


def _has_bytes(symbol: Any) -> bool:
    kind = symbol["st_info"]["type"]
    return kind in ("STT_OBJECT", "STT_FUNC") and symbol["st_size"] > 0
