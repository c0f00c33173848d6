"""What a device needs of a firmware's ELF: its segments, its entry, a name for an address."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import DeviceError


def load_segments(elf_path: Path) -> list[tuple[int, bytes]]:
    """Load address and bytes of each segment that has any.

    Raises:
        DeviceError: there is no such file, or it is no 32-bit ARM ELF.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with elf_path.open("rb") as file:
            elf = ELFFile(file)
            if elf["e_machine"] != "EM_ARM" or elf.elfclass != 32:
                raise DeviceError(
                    f"{elf_path}: expected a firmware for ARM. Received: an ELF for "
                    f"{elf['e_machine']}. Build the firmware for this board."
                )
            return [
                (segment["p_paddr"], segment.data())
                for segment in elf.iter_segments("PT_LOAD")
                if segment["p_filesz"]
            ]
    except OSError as error:
        raise DeviceError(
            f"{elf_path}: expected a firmware. Received: {error.strerror}. Build it first."
        ) from error
    except ELFError as error:
        raise DeviceError(
            f"{elf_path}: expected an ELF file. Received: {error}. Build the firmware again."
        ) from error


def entry_point(vectors: bytes) -> tuple[int, int]:
    """Initial stack pointer and entry address from a Cortex-M's vector table.

    Raises:
        DeviceError: the table holds no entry in Thumb code.
    """
    stack = int.from_bytes(vectors[:4], "little")
    entry = int.from_bytes(vectors[4:8], "little")
    if not entry & 1:
        raise DeviceError(
            f"The firmware's reset vector must be a Thumb address. Received: 0x{entry:08x}. "
            "Its vector table has to lie at the start of flash: build it for this board."
        )
    return stack, entry & ~1


def symbol_at(elf_path: Path, address: int) -> str | None:
    """Name of the function around an address, or None."""
    from elftools.elf.elffile import ELFFile

    with elf_path.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        for symbol in table.iter_symbols() if table is not None else ():
            begin = symbol["st_value"] & ~1
            is_function = symbol["st_info"]["type"] == "STT_FUNC"
            if is_function and begin <= address < begin + symbol["st_size"]:
                return str(symbol.name)
    return None
