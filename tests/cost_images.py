"""Which functions and tables a kernel needs in an image, read from images that hold it.

A function needs what it branches to and whose address it holds: in a pool of literals, or in a pair
of MOVW and MOVT. So a kernel's part of an image is told apart from the others' in the same image.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import capstone

from pipeline.artifacts import write_json
from pipeline.build.elf import open_elf
from pipeline.estimate.runtime import parts_of
from pipeline.report.progress import Reporter
from pipeline.stages import Request, Target, build_model
from tests.cost_samples import SAMPLES, Sample, board_of, remembered

_RUNTIME = (".text", ".data")
_BRANCHES = ("b", "bl", "blx", "cbz", "cbnz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What images hold.

    Attributes:
        sizes: bytes of each function and table.
        needs: names that each kernel leads to, itself included.
    """

    sizes: Mapping[str, int]
    needs: Mapping[str, frozenset[str]]


def read_code(samples: Iterable[Sample], reporter: Reporter) -> Code:
    """Build images until each kernel of some models was in one, and look into them.

    Args:
        samples: the models.
        reporter: told how far it is.
    """
    sizes: dict[str, int] = {}
    needs: dict[str, frozenset[str]] = {}
    by_name = {sample.name: sample for sample in samples}
    functions = {name: parts_of(sample.plan).functions for name, sample in by_name.items()}
    images = list(_cover(functions))
    with reporter.steps("images read") as step:
        for done, (name, wanted) in enumerate(images, start=1):
            symbols = _symbols(by_name[name])
            for function in wanted:
                found = closure(symbols, function)
                needs[function] = frozenset(found)
                sizes.update({one: symbols[one]["bytes"] for one in found})
            step(done, len(images))
    return Code(sizes=sizes, needs=needs)


def _cover(functions: Mapping[str, Iterable[str]]) -> Iterable[tuple[str, set[str]]]:
    """Few models that hold every kernel: each takes in most of what is left."""
    left = {name for names in functions.values() for name in names}
    while left:
        best = max(functions, key=lambda key: len(left.intersection(functions[key])))
        taken = left.intersection(functions[best])
        yield best, taken
        left -= taken


def _symbols(sample: Sample) -> dict[str, Any]:
    """Symbols of an image, built now or before; see `symbols_of`."""
    path = SAMPLES / "images" / f"{sample.name}.json"
    found = remembered(path, sample.fingerprint)
    if not found:
        with tempfile.TemporaryDirectory(prefix="espalier-costs-") as folder:
            model = Path(folder) / "model.tflite"
            model.write_bytes(sample.make())
            request = Request(
                model=model, inputs="", work=Path(folder) / "work", command="make costs"
            )
            built = build_model(
                request,
                Target(board=board_of(sample.target), keep_constant_channels=True),
                Reporter(quiet=True),
            )
            found = {
                "fingerprint": sample.fingerprint,
                "symbols": symbols_of(built / "firmware.elf"),
            }
        path.parent.mkdir(exist_ok=True)
        write_json(path, found)
    symbols: dict[str, Any] = found["symbols"]
    return symbols


def closure(symbols: Mapping[str, Any], first: str) -> set[str]:
    """Everything that a function leads to, itself included."""
    found: set[str] = set()
    waiting = [first]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += symbols[name]["uses"]
    return found


def symbols_of(elf_path: Path) -> dict[str, Any]:
    """Sizes of everything in the runtime's sections that has a name, and whom each uses."""
    with open_elf(elf_path) as elf:
        sections = {
            number: section
            for number, section in enumerate(elf.iter_sections())
            if section.name in _RUNTIME
        }
        places: dict[int, tuple[str, int, bytes, bool]] = {}
        for symbol in elf.get_section_by_name(".symtab").iter_symbols():
            section = sections.get(symbol["st_shndx"])
            if section is None or not symbol["st_size"]:
                continue
            address = symbol["st_value"] & ~1
            first = address - section["sh_addr"]
            code = section.data()[first : first + symbol["st_size"]]
            is_code = symbol["st_info"]["type"] == "STT_FUNC"
            # Static functions of different files may have one name: their sizes tell them apart.
            name = symbol.name if symbol["st_info"]["bind"] == "STB_GLOBAL" else ""
            name = name or f"{symbol.name}:{symbol['st_size']}"
            places[address] = (name, symbol["st_size"], code, is_code)
    return {
        name: {
            "bytes": size,
            "uses": sorted(
                {
                    places[target][0]
                    for target in _addresses(code, address, is_code)
                    if target in places and target != address
                }
            ),
        }
        for address, (name, size, code, is_code) in places.items()
    }


def _addresses(code: bytes, address: int, is_code: bool) -> set[int]:
    """Addresses that a function or a table may use, the low bit of code's cleared."""
    # Literals lie at multiples of four of the address space.
    pool = code[-address % 4 :]
    words = struct.iter_unpack("<I", pool[: len(pool) // 4 * 4])
    found = {word & ~1 for (word,) in words}
    if not is_code:
        return found
    disassembler = capstone.Cs(
        capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS
    )
    disassembler.skipdata = True
    low: dict[str, int] = {}
    for _, _, name, operands in disassembler.disasm_lite(code, address):
        *registers, last = [part.strip() for part in operands.split(",")]
        stem = name.split(".")[0]
        if not last.startswith("#") or not stem.startswith((*_BRANCHES, "movw", "movt")):
            continue
        value = int(last[1:], 0)
        if stem == "movw":
            low[registers[0]] = value
        elif stem == "movt":
            found.add((low.get(registers[0], 0) | value << 16) & ~1)
        else:
            found.add(value)
    return found
