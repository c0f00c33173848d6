"""Estimated cycles of a Cortex-M4 for blocks of Thumb code.

The core's published timings as one table that depends on the code alone: "Table of processor
instructions", "Load/store timings" and "FPU instruction set" of the Cortex-M4 Technical Reference
Manual (Arm 100166). Where the manual gives a range, or a condition that only hardware knows, the
choice is this:

- the refill of the pipeline after a taken branch takes 2 cycles (1 to 3),
- SDIV and UDIV take 12 (2 to 12), so that no division is flattered,
- a single load takes 2, or 1 right after another single load,
- a single store takes 1: the write buffer has room,
- IT takes 1 (it may be folded to 0), and what it skips takes as much as if it ran; only of a branch
  it is known whether it was taken,
- each wait state of the flash is paid once by every taken branch and by every load relative to the
  program counter; a prefetch is taken to hide those of sequential code.

Not modelled, all of them to the estimate's favour: addresses that come from the instruction right
before (1 cycle), unaligned accesses (1 or 2), conflicts on the bus, wait states of constants in
flash. It is an estimate, and is called one wherever it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline.errors import DeviceError, MissingToolError

# Cores that have this timing, as board.toml names them.
CORES = ("cortex-m4", "cortex-m4f")

_REFILL_CYCLES = 2

_SINGLE_LOADS = frozenset(
    ("ldr", "ldrb", "ldrh", "ldrsb", "ldrsh", "ldrt", "ldrbt", "ldrht", "ldrsbt", "ldrsht")
    + ("ldrex", "ldrexb", "ldrexh")
)
# 1 + the words that they move, never in the shadow of a neighbour.
_MULTIPLE = frozenset(
    ("ldm", "ldmdb", "stm", "stmdb", "push", "pop", "ldrd", "strd")
    + ("vldmia", "vldmdb", "vstmia", "vstmdb", "vpush", "vpop")
)
_BRANCHES = frozenset(("b", "bl", "bx", "blx", "cbz", "cbnz", "tbb", "tbh"))
_CONDITIONAL_BRANCHES = frozenset(("cbz", "cbnz"))

# Cycles before a refill, where they are not 1.
_CYCLES = {
    **dict.fromkeys(("sdiv", "udiv"), 12),
    # A table is loaded from.
    **dict.fromkeys(("tbb", "tbh"), 2),
    **dict.fromkeys(("mrs", "msr", "cps"), 2),
    **dict.fromkeys(("vdiv", "vsqrt"), 14),
    **dict.fromkeys(("vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms"), 3),
    **dict.fromkeys(("vldr", "vstr"), 2),
}
_ALWAYS = 15  # capstone's condition code AL
_INVALID = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCost:
    """What one pass through a block costs.

    Attributes:
        instructions: in the block.
        cycles: estimated, if the core goes on right behind the block or has no choice.
        taken_cycles: more, if it goes on elsewhere.
    """

    instructions: int
    cycles: int
    taken_cycles: int


@cache
def block_cost(code: bytes, flash_wait_states: int) -> BlockCost:
    """Estimate a basic block: straight code with at most one branch, its last instruction.

    Args:
        code: Thumb instructions, whole ones.
        flash_wait_states: a fact of the board.

    Raises:
        DeviceError: this is no code of a Cortex-M4.
        MissingToolError: there is no disassembler.
    """
    cycles = instructions = size = taken_cycles = 0
    after_load = False
    for instruction in _disassembler().disasm(code, 0):
        name = instruction.insn_name() or ""
        operands = instruction.op_str
        is_load = name in _SINGLE_LOADS
        cost = _straight_cycles(name, operands, after_load)
        if is_load and "[pc" in operands:
            cost += flash_wait_states
        taken_cycles = 0
        if _branches(name, operands):
            refill = _REFILL_CYCLES + flash_wait_states
            if instruction.cc in (_INVALID, _ALWAYS) and name not in _CONDITIONAL_BRANCHES:
                cost += refill
            else:
                # Not taken, it is one cycle, whatever it would have loaded.
                taken_cycles = cost - 1 + refill
                cost = 1
        cycles += cost
        instructions += 1
        size += instruction.size
        after_load = is_load
    if size != len(code):
        raise DeviceError(
            "cycle estimate: expected instructions of a Cortex-M4. Received: "
            f"{code[size : size + 4].hex(' ')}. If the compiler made them, report a bug."
        )
    return BlockCost(instructions=instructions, cycles=cycles, taken_cycles=taken_cycles)


def _straight_cycles(name: str, operands: str, after_load: bool) -> int:
    """Cycles without refills and wait states."""
    if name in _SINGLE_LOADS:
        return 1 if after_load else 2
    if name in _MULTIPLE:
        return 1 + _words_moved(name, operands)
    if name in ("vldr", "vstr") and operands.startswith("d"):
        return 3
    if name == "vmov" and _moves_two(operands):
        return 2
    return _CYCLES.get(name, 1)


def _words_moved(name: str, operands: str) -> int:
    if name in ("ldrd", "strd"):
        return 2
    registers = operands[operands.index("{") + 1 :].rstrip("}").split(", ")
    return sum(2 if register.startswith("d") else 1 for register in registers)


def _moves_two(operands: str) -> bool:
    """Whether a VMOV is one between two core registers and the FPU."""
    return operands.count(",") == 3 or (operands.count(",") == 2 and "d" in operands)


def _branches(name: str, operands: str) -> bool:
    """Whether an instruction may write the program counter."""
    if name in _BRANCHES:
        return True
    if name in ("pop", "ldm", "ldmdb"):
        return operands.endswith("pc}")
    return name in ("ldr", "mov", "add") and operands.startswith("pc,")


@cache
def _disassembler() -> Any:
    try:
        import capstone
    except ImportError as error:
        raise MissingToolError(
            "cycle estimate: expected the Python package 'capstone'. Received: none. Install it "
            "(pip install capstone)."
        ) from error
    disassembler = capstone.Cs(
        capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS
    )
    # For the condition of each instruction.
    disassembler.detail = True
    return disassembler
