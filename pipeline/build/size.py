"""Read from an ELF file where the bytes of a firmware go, and hold them against a board.

The linker scripts (boards/<board>/*.ld) give each kind its own output section:

    .harness          protocol, port, start-up: code and constants
    .weights          constants of the model
    .text             runtime: engine, kernels, generated code, compiler's library
    .data             initialized variables, in flash and in RAM
    .stack            reserve for the stack
    .arena            tensor arena
    .bss              other variables
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BuildError, DoesNotFitError
from pipeline.paths import boards_path
from pipeline.records import Board, FirmwareSize

_STACK_SIZE = re.compile(r"__stack_size\s*=\s*(\d+)\s*;")
_FLASH_SECTIONS = (".harness", ".weights", ".text", ".data")
_RAM_SECTIONS = (".data", ".stack", ".arena", ".bss")


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
    """Return the sizes of a linked firmware.

    Raises:
        BuildError: no ELF file, or one that was not linked by one of our linker scripts.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    try:
        with elf_path.open("rb") as stream:
            sections = {
                section.name: (section["sh_addr"], section["sh_size"])
                for section in ELFFile(stream).iter_sections()
                if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_size"] > 0
            }
    except (OSError, ELFError) as error:
        raise BuildError(
            f"{elf_path}: expected a linked firmware in ELF format. Received: {error}. "
            "Build it again."
        ) from error
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


def stack_reserve_bytes(board: Board) -> int:
    """What a board's linker script keeps free for the stack; 0 where it has none of its own."""
    scripts = (boards_path() / board.name).glob("*.ld")
    found = [_STACK_SIZE.search(path.read_text(encoding="utf-8")) for path in scripts]
    return max((int(match[1]) for match in found if match), default=0)


def check_fits(image: ImageSize, board: Board) -> None:
    """Hold an image against its board.

    Raises:
        DoesNotFitError: it takes more flash or RAM than the board has; with all the numbers.
    """
    size = image.firmware
    if board.flash_bytes is not None and size.flash_bytes > board.flash_bytes:
        raise DoesNotFitError(
            f"board '{board.name}': expected at most {board.flash_bytes:,} B of flash. Received: "
            f"{size.flash_bytes:,} B, that is weights {size.weights_bytes:,} + runtime "
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
