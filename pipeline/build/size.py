"""Read from an ELF file where the bytes of a firmware go, and hold them against a board.

The linker scripts (boards/<board>/*.ld) give each kind its own output section:

    .harness          protocol, port, start-up: code and constants
    .weights          constants of the model
    .text             runtime: engine, kernels, generated code, compiler's library
    .data             initialized variables, in flash and in RAM
    .stack            reserve for the stack
    .arena            tensor arena
    .bss              other variables

Images on a framework are linked by its own script. There the symbols of our object files are looked
up in the image, and all that has no symbol of ours counts as the framework's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.build.elf import open_elf
from pipeline.errors import BuildError, DoesNotFitError
from pipeline.paths import boards_path
from pipeline.records import Board, FirmwareSize

_STACK_SIZE = re.compile(r"__stack_size\s*=\s*(\d+)\s*;")
_FLASH_SECTIONS = (".harness", ".weights", ".text", ".data")
_RAM_SECTIONS = (".data", ".stack", ".arena", ".bss")

# Static variables in images on a framework; heaps and stacks are sections of their own.
_STATIC = re.compile(r"\.(dram0\.)?(data|bss)|\.noinit")
# Where firmware/scripts/add_sources.py puts our objects.
_HARNESS, _RUNTIME, _MODEL = "espalier_harness", "espalier_runtime", "espalier_model"
_WEIGHTS_OBJECT = "weights.o"
_ARENA_SECTION = ".bss.arena"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSize:
    """Sizes of an image.

    Attributes:
        firmware: by owner.
        stack_reserve_bytes: what the image keeps free for the stack.
        ram_bytes: all that the image takes of the RAM, stack, arena and alignment included.
    """

    firmware: FirmwareSize
    stack_reserve_bytes: int
    ram_bytes: int


def read_size(elf_path: Path) -> ImageSize:
    """Return the sizes of a firmware that one of our linker scripts has laid out.

    Raises:
        BuildError: no ELF file, or one that was not linked by one of our linker scripts.
    """
    with open_elf(elf_path) as elf:
        sections = {
            section.name: (section["sh_addr"], section["sh_size"]) for section in _allocated(elf)
        }
    unknown = sorted(set(sections) - {*_FLASH_SECTIONS, *_RAM_SECTIONS})
    if unknown or ".harness" not in sections:
        raise BuildError(
            f"{elf_path}: expected the sections {', '.join(_FLASH_SECTIONS + _RAM_SECTIONS)}, as "
            f"boards/*/*.ld make them. Received: {', '.join(sections) or 'none'}. Name every "
            "input section in the board's linker script."
        )
    size = {name: sections.get(name, (0, 0))[1] for name in _FLASH_SECTIONS + _RAM_SECTIONS}
    in_ram = [sections[name] for name in _RAM_SECTIONS if name in sections]
    ram_bytes = max((begin + length for begin, length in in_ram), default=0) - min(
        (begin for begin, _ in in_ram), default=0
    )
    firmware = FirmwareSize(
        weights_bytes=size[".weights"],
        runtime_bytes=size[".text"] + size[".data"],
        harness_bytes=size[".harness"],
        flash_bytes=sum(size[name] for name in _FLASH_SECTIONS),
        arena_bytes=size[".arena"],
        static_ram_bytes=size[".data"] + size[".bss"],
    )
    return ImageSize(firmware=firmware, stack_reserve_bytes=size[".stack"], ram_bytes=ram_bytes)


def read_framework_size(elf_path: Path, objects_path: Path) -> ImageSize:
    """Return the sizes of a firmware on a framework, whose linker script knows none of our parts.

    Args:
        elf_path: the linked image.
        objects_path: the build folder with espalier_harness, espalier_runtime, espalier_model.
    Raises:
        BuildError: no ELF file, or an image without any symbol of ours.
    """
    owners = _owners(objects_path)
    # By owner, and "arena"; in flash and in RAM.
    flash = dict.fromkeys(("weights", "runtime", "harness"), 0)
    ram = dict.fromkeys(("arena", "weights", "runtime", "harness"), 0)
    with open_elf(elf_path) as elf:
        sections = list(elf.iter_sections())
        in_flash = sum(s["sh_size"] for s in _allocated(elf) if s["sh_type"] != "SHT_NOBITS")
        static = sum(s["sh_size"] for s in _allocated(elf) if _STATIC.fullmatch(s.name))
        places = set()
        for symbol in _objects_and_functions(elf):
            owner = owners.get((symbol.name, symbol["st_size"]))
            place = (symbol["st_shndx"], symbol["st_value"])
            if owner is None or place in places:  # another name of the same bytes
                continue
            places.add(place)
            section = sections[symbol["st_shndx"]]
            if section["sh_type"] != "SHT_NOBITS":
                flash[owner] += symbol["st_size"]
            if _STATIC.fullmatch(section.name):
                ram[owner] += symbol["st_size"]
    if not places:
        raise BuildError(
            f"{elf_path}: expected symbols of the objects in {objects_path}. Received: none of "
            "them. Link without stripping symbols."
        )
    own_ram = sum(ram.values())
    firmware = FirmwareSize(
        weights_bytes=flash["weights"],
        runtime_bytes=flash["runtime"],
        harness_bytes=flash["harness"],
        flash_bytes=in_flash,
        arena_bytes=ram["arena"],
        static_ram_bytes=own_ram - ram["arena"],
        framework_bytes=in_flash - sum(flash.values()),
        framework_ram_bytes=static - own_ram,
    )
    return ImageSize(firmware=firmware, stack_reserve_bytes=0, ram_bytes=own_ram)


def _owners(objects_path: Path) -> dict[tuple[str, int], str]:
    """Whose a symbol is, by name and size: of all that our objects define."""
    owners = {}
    for folder, owner in ((_HARNESS, "harness"), (_RUNTIME, "runtime"), (_MODEL, "runtime")):
        for path in sorted((objects_path / folder).rglob("*.o")):
            with open_elf(path) as elf:
                sections = list(elf.iter_sections())
                for symbol in _objects_and_functions(elf):
                    section = sections[symbol["st_shndx"]].name
                    found = "weights" if path.name == _WEIGHTS_OBJECT else owner
                    if section == _ARENA_SECTION:
                        found = "arena"
                    owners[symbol.name, symbol["st_size"]] = found
    return owners


def _objects_and_functions(elf: Any) -> Iterator[Any]:
    """Symbols that have a size and lie in a section."""
    table = elf.get_section_by_name(".symtab")
    for symbol in table.iter_symbols() if table is not None else ():
        is_ours = symbol["st_info"]["type"] in ("STT_OBJECT", "STT_FUNC")
        if is_ours and symbol["st_size"] > 0 and isinstance(symbol["st_shndx"], int):
            yield symbol


def _allocated(elf: Any) -> list[Any]:
    """Sections that take memory on the board."""
    from elftools.elf.constants import SH_FLAGS

    return [
        section
        for section in elf.iter_sections()
        if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_size"] > 0
    ]


def stack_reserve_bytes(board: Board) -> int:
    """What a board's linker script keeps free for the stack; 0 where it has none of its own."""
    scripts = (boards_path() / board.name).glob("*.ld")
    found = [_STACK_SIZE.search(path.read_text(encoding="utf-8")) for path in scripts]
    return max((int(match[1]) for match in found if match), default=0)


def check_fits(image: ImageSize, board: Board) -> None:
    """Hold an image against its board.

    The facts of a board on a framework are what the framework leaves, so its part does not count.

    Raises:
        DoesNotFitError: it takes more flash or RAM than the board has; with all the numbers.
    """
    size = image.firmware
    flash_bytes = size.flash_bytes - size.framework_bytes
    if board.flash_bytes is not None and flash_bytes > board.flash_bytes:
        raise DoesNotFitError(
            f"board '{board.name}': expected at most {board.flash_bytes:,} B of flash. Received: "
            f"{flash_bytes:,} B, that is weights {size.weights_bytes:,} + runtime "
            f"{size.runtime_bytes:,} + harness {size.harness_bytes:,}. Use a model with fewer "
            "parameters (a smaller width, pruning), or a board with more flash."
        )
    if board.ram_bytes is not None and image.ram_bytes > board.ram_bytes:
        raise DoesNotFitError(
            f"board '{board.name}': expected at most {board.ram_bytes:,} B of RAM. Received: "
            f"{image.ram_bytes:,} B, that is tensor arena {size.arena_bytes:,} + static "
            f"{size.static_ram_bytes:,} + stack reserve {image.stack_reserve_bytes:,} + alignment. "
            "Use a smaller input or fewer channels in the first layers (`espalier plan` shows "
            "where the arena peaks), or a board with more RAM."
        )
