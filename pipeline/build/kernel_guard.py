"""Look into an image for the kernels that should be in it.

A library that was built for another core, or without an option, links TFLM's reference kernels
instead of optimised ones: the same answers, some ten times slower, and nothing says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.build.elf import open_elf
from pipeline.errors import BuildError
from pipeline.records import Board, KernelGuard


def check_kernels(elf_path: Path, board: Board, guards: Sequence[KernelGuard]) -> None:
    """Hold an image against the kernels that its model should run on.

    Args:
        elf_path: the image, with symbols.
        board: for the message.
        guards: what has to be in it.
    Raises:
        BuildError: a kernel is missing; with its operator.
    """
    missing = missing_kernels(function_names(elf_path), guards) if guards else ()
    if not missing:
        return
    library = missing[0].library
    operators = ", ".join(guard.kind.value for guard in missing)
    wanted = ", ".join(f"{guard.symbol_prefix}…" for guard in missing)
    raise BuildError(
        f"board '{board.name}': expected kernels of {library} for {operators}. Received: an image "
        f"without {wanted}: TFLM's reference kernels were linked, some ten times slower. Take a "
        f"TensorFlow Lite Micro that was built with {library} (docs/tflm.md), or --engine aot."
    )


def missing_kernels(names: Iterable[str], guards: Sequence[KernelGuard]) -> tuple[KernelGuard, ...]:
    """Guards for which no function is there.

    Args:
        names: of the image's functions.
        guards: what has to be among them.
    """
    present = tuple(names)
    return tuple(
        guard
        for guard in guards
        if not any(name.startswith(guard.symbol_prefix) for name in present)
    )


def function_names(elf_path: Path) -> tuple[str, ...]:
    """Names of all functions that an image defines.

    Raises:
        BuildError: it is no ELF file, or has no symbols.
    """
    from elftools.elf.sections import SymbolTableSection

    with open_elf(elf_path) as elf:
        names = tuple(
            symbol.name
            for section in elf.iter_sections()
            if isinstance(section, SymbolTableSection)
            for symbol in section.iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF"
        )
    if not names:
        raise BuildError(
            f"{elf_path}: expected the symbols of the image, which tell its kernels. Received: "
            "none. Link without stripping symbols."
        )
    return names
