"""Exact instruction counts from Unicorn: a hook on every basic block it enters.

Unicorn calls the hook with the address and size of each block of translated code before it runs
it, and a block runs whole. The hook is a C function, compiled once with Zig or the system's C
compiler into the cache folder; where neither works, a Python callback counts the same, slower.

With a cost for each block, the hook also estimates cycles: from one block to the next it knows
whether the branch between them was taken.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.device.cycles import BlockCost
from pipeline.errors import DeviceError, PipelineError
from pipeline.paths import cache_path

COMPILE_S = 120.0
MAX_REGIONS = 4

_SOURCE_PATH = Path(__file__).with_name("count_blocks.c")


class _KnownBlock(ctypes.Structure):
    _fields_ = (
        ("size_bytes", ctypes.c_uint16),
        ("instructions", ctypes.c_uint16),
        ("cycles", ctypes.c_uint16),
        ("taken_cycles", ctypes.c_uint16),
    )


class _CodeRegion(ctypes.Structure):
    _fields_ = (
        ("bytes", ctypes.c_void_p),
        ("base", ctypes.c_uint32),
        ("size_bytes", ctypes.c_uint32),
        ("known", ctypes.c_void_p),
    )


_Describe = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.POINTER(_KnownBlock))


class _BlockCounter(ctypes.Structure):
    _fields_ = (
        ("instructions", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
        ("describe", _Describe),
        ("regions", _CodeRegion * MAX_REGIONS),
        ("num_regions", ctypes.c_uint32),
        ("outside", ctypes.c_uint32),
        ("end", ctypes.c_uint32),
        ("taken_cycles", ctypes.c_uint32),
    )


class BlockCounter:
    """Counts the Thumb instructions that a Unicorn core executes, and may estimate cycles.

    Args:
        cost: of a block's code; None to count instructions only.
        use_native: None for the compiled hook where it can be made; False for the Python one.
    """

    def __init__(
        self, cost: Callable[[bytes], BlockCost] | None = None, use_native: bool | None = None
    ) -> None:
        self._state = _BlockCounter()
        self._library = None if use_native is False else load_native_hook()
        self._memories: list[ctypes.Array[ctypes.c_char]] = []
        self._known_tables: list[ctypes.Array[_KnownBlock]] = []
        self._known: dict[tuple[int, int], BlockCost] = {}
        self._cost = cost or _instructions_only
        self._failure: PipelineError | None = None
        if cost is not None:
            self._state.describe = _Describe(self._describe)
        self._uc: Any = None
        self._hook: Any = None

    @property
    def is_native(self) -> bool:
        """Whether the compiled hook is in use."""
        return self._library is not None

    @property
    def instructions(self) -> int:
        """Instructions of all blocks entered while counting, the present one included."""
        count: int = self._state.instructions
        return count

    @property
    def cycles(self) -> int:
        """Estimated cycles of the same blocks; 0 without a cost."""
        count: int = self._state.cycles
        return count

    def add_region(self, memory: ctypes.Array[ctypes.c_char], base: int, constant: bool) -> None:
        """Name memory that may hold code.

        Args:
            memory: its bytes, which the core executes from.
            base: its address.
            constant: whether the core cannot write it, so that blocks may be remembered.
        """
        index = self._state.num_regions
        table = (_KnownBlock * (len(memory) // 2 if constant else 0))()
        self._memories.append(memory)
        self._known_tables.append(table)
        self._state.regions[index] = _CodeRegion(
            bytes=ctypes.addressof(memory),
            base=base,
            size_bytes=len(memory),
            known=ctypes.addressof(table) if constant else None,
        )
        self._state.num_regions = index + 1

    def attach(self, uc: Any) -> None:
        """Start to count on a core that is not running."""
        from unicorn import UC_HOOK_BLOCK
        from unicorn.unicorn_py3.unicorn import uclib

        self.detach()
        if self._library is None:
            self._hook = uc.hook_add(UC_HOOK_BLOCK, self._count_block)
        else:
            # The binding's hook_add wraps Python callables only; this is what it calls itself.
            handle = ctypes.c_size_t()
            status = uclib.uc_hook_add(
                uc._uch,
                ctypes.byref(handle),
                UC_HOOK_BLOCK,
                ctypes.cast(self._library.count_block, ctypes.c_void_p),
                ctypes.addressof(self._state),
                ctypes.c_uint64(1),  # begin > end: every address
                ctypes.c_uint64(0),
            )
            if status:
                raise DeviceError(f"unicorn: the block hook was refused: error {status}.")
            self._hook = handle
        self._uc = uc
        # Code that is translated already does not call the hook.
        uc.ctl_flush_tb()

    def detach(self) -> None:
        """Stop to count."""
        from unicorn.unicorn_py3.unicorn import uclib

        if self._uc is None:
            return
        if isinstance(self._hook, ctypes.c_size_t):
            uclib.uc_hook_del(self._uc._uch, self._hook)
        else:
            self._uc.hook_del(self._hook)
        self._uc.ctl_flush_tb()
        self._uc = self._hook = None

    def check(self) -> None:
        """Raise DeviceError if code ran where none was expected, or what cannot be code."""
        if self._failure is not None:
            raise self._failure
        if self._state.outside:
            raise DeviceError(
                f"unicorn: code ran at 0x{self._state.outside - 1:08x}, outside of the board's "
                "memory, and was not counted. The firmware jumped astray."
            )

    def _describe(self, address: int, block: Any) -> None:
        """Tell the compiled hook of a block that it meets for the first time."""
        # An exception cannot pass through the emulator.
        try:
            cost = self._cost(self._code(address, block.contents.size_bytes)[0])
        except PipelineError as error:
            self._failure = self._failure or error
            return
        block.contents.instructions = cost.instructions
        block.contents.cycles = cost.cycles
        block.contents.taken_cycles = cost.taken_cycles

    def _count_block(self, _uc: Any, address: int, size: int, _data: Any) -> None:
        cost = self._known.get((address, size))
        if cost is None:
            code, constant = self._code(address, size)
            cost = self._cost(code)
            if constant:
                self._known[address, size] = cost
        state = self._state
        state.instructions += cost.instructions
        state.cycles += cost.cycles + (state.taken_cycles if address != state.end else 0)
        state.end = address + size
        state.taken_cycles = cost.taken_cycles

    def _code(self, address: int, size: int) -> tuple[bytes, bool]:
        """Bytes of a block, none where there is no memory; and whether they stay as they are."""
        for index in range(self._state.num_regions):
            region = self._state.regions[index]
            offset = address - region.base
            if offset >= 0 and offset + size <= region.size_bytes:
                return ctypes.string_at(region.bytes + offset, size), bool(region.known)
        self._state.outside = address + 1
        return b"", False


def _instructions_only(code: bytes) -> BlockCost:
    return BlockCost(instructions=count_thumb(code), cycles=0, taken_cycles=0)


def count_thumb(code: bytes) -> int:
    """Thumb instructions in a block; 32-bit ones begin with 0b11101, 0b11110 or 0b11111."""
    position = count = 0
    while position < len(code):
        position += 4 if code[position + 1] >> 3 >= 0x1D else 2
        count += 1
    return count


def load_native_hook(
    compilers: Callable[[], list[list[str]]] | None = None,
) -> ctypes.CDLL | None:
    """The compiled hook, from the cache or made now; None where no compiler can make it."""
    source = _SOURCE_PATH.read_bytes()
    key = hashlib.sha256(source + platform.machine().encode()).hexdigest()[:16]
    folder = cache_path() / "native"
    suffix = ".dll" if sys.platform == "win32" else ".so"
    library_path = folder / f"count_blocks-{platform.system()}-{key}{suffix}"
    if not library_path.is_file():
        folder.mkdir(exist_ok=True)
        if not any(_compile(command, library_path) for command in (compilers or _compilers)()):
            return None
    try:
        return ctypes.CDLL(str(library_path))
    except OSError:
        # Built on another machine that shares the checkout.
        library_path.unlink(missing_ok=True)
        return None


def _compilers() -> list[list[str]]:
    found = []
    if importlib.util.find_spec("ziglang"):
        found.append([sys.executable, "-m", "ziglang", "cc"])
    if shutil.which("cc"):
        found.append(["cc"])
    return found


def _compile(command: list[str], library_path: Path) -> bool:
    """Make the library in a folder of its own, and move it: others may be at it, too."""
    cache = cache_path() / "zig"
    environment = {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(cache),
        "ZIG_LOCAL_CACHE_DIR": str(cache),
    }
    with tempfile.TemporaryDirectory(dir=library_path.parent) as folder:
        made_path = Path(folder) / library_path.name
        options = ["-O2", "-shared", "-fPIC", "-nostdlib", "-o", str(made_path), str(_SOURCE_PATH)]
        try:
            subprocess.run(
                [*command, *options],
                # What a compiler that is killed leaves goes with the folder.
                env={**environment, "TMPDIR": folder},
                check=True,
                capture_output=True,
                timeout=COMPILE_S,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        os.replace(made_path, library_path)
    return True
