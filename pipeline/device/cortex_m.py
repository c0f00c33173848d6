"""What every Cortex-M has beside its instructions, for the Unicorn device (Arm DDI 0403).

Unicorn runs instructions and leaves exceptions to others. Of those only faults matter here, as no
firmware of this project uses interrupts: `enter_fault` does what the core does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.device.virtual import VirtualClock

_AIRCR = 0xD0C
_AIRCR_KEY, _AIRCR_KEY_MASK = 0x05FA0000, 0xFFFF0000
_AIRCR_RESET = 1 << 2
_CONFIGURABLE_FAULT_STATUS = 0xD28
_HARD_FAULT_STATUS = 0xD2C
_BUS_FAULT_ADDRESS = 0xD38
_DEBUG_CONTROL = 0xDFC
_TRACE_ENABLE = 1 << 24

# Of the configurable fault status register.
_STACKING_REFUSED = 1 << 4
_INSTRUCTION_BUS_ERROR = 1 << 8
_PRECISE_DATA_BUS_ERROR = 1 << 9
_BUS_FAULT_ADDRESS_VALID = 1 << 15
_UNDEFINED_INSTRUCTION = 1 << 16
_ESCALATED = 1 << 30

_CYCLE_CONTROL, _CYCLE_COUNT = 0x0, 0x4
_CYCLE_COUNT_ENABLE = 1 << 0
_ALL_ONES = 0xFFFFFFFF

_FPU_STATE_ACTIVE = 1 << 2
_FRAME_BYTES, _FRAME_BYTES_WITH_FPU = 32, 104
_RETURN_TO_THREAD, _RETURN_TO_THREAD_WITH_FPU = 0xFFFFFFF9, 0xFFFFFFE9
_THUMB = 1 << 24
_FRAME_ALIGNED = 1 << 9


class SystemControl:
    """System control space: what is written is read back, a requested reset happens.

    Args:
        on_reset: called when the firmware asks for a reset.
    """

    base = 0xE000E000

    def __init__(self, on_reset: Callable[[], None]) -> None:
        self._on_reset = on_reset
        self._registers: dict[int, int] = {}

    @property
    def trace_is_enabled(self) -> bool:
        """Whether the core's counters have power."""
        return bool(self.read(_DEBUG_CONTROL) & _TRACE_ENABLE)

    def read(self, offset: int) -> int:
        """A register."""
        return self._registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Set a register."""
        if offset == _AIRCR and value & _AIRCR_KEY_MASK == _AIRCR_KEY and value & _AIRCR_RESET:
            self._on_reset()
        self._registers[offset] = value

    def note_fault(self, status: int, address: int) -> None:
        """Set the fault status registers; `address` is what could not be reached."""
        self._registers[_CONFIGURABLE_FAULT_STATUS] = status
        self._registers[_HARD_FAULT_STATUS] = _ESCALATED
        self._registers[_BUS_FAULT_ADDRESS] = address


class CycleCounter:
    """DWT: the cycle counter, which counts ticks of the machine's clock."""

    def __init__(self, clock: VirtualClock, system: SystemControl) -> None:
        self._clock = clock
        self._system = system
        self._control = 0
        # The count while it stands still, and since when it runs.
        self._count = 0
        self._start = 0

    def read(self, offset: int) -> int:
        """A register of the DWT."""
        if offset == _CYCLE_COUNT:
            running = self._clock.now() - self._start if self._is_running() else 0
            return (self._count + running) & _ALL_ONES
        return self._control if offset == _CYCLE_CONTROL else 0

    def write(self, offset: int, value: int) -> None:
        """Set a register; without trace enabled the DWT takes nothing."""
        if not self._system.trace_is_enabled:
            return
        if offset == _CYCLE_CONTROL:
            self._count = self.read(_CYCLE_COUNT)
            self._control = value
        elif offset == _CYCLE_COUNT:
            self._count = value
        self._start = self._clock.now()

    def _is_running(self) -> bool:
        return bool(self._control & _CYCLE_COUNT_ENABLE) and self._system.trace_is_enabled


def enter_fault(
    uc: Any,
    error_number: int,
    unreachable: int,
    system: SystemControl,
    handler: int,
    write_ram: Callable[[int, bytes], bool],
) -> bool:
    """Let a core that faulted go on in its fault handler, on what it saved of itself.

    Args:
        uc: the core, stopped at the instruction that faulted.
        error_number: Unicorn's.
        unreachable: the address that was accessed last where nothing is.
        system: where the firmware reads what happened.
        handler: the HardFault vector.
        write_ram: writes bytes at an address; False where there is no RAM.

    Returns:
        False if the error is none that the core itself would notice.
    """
    from unicorn import arm_const as arm

    status = _fault_status(error_number)
    if status is None:
        return False
    has_fpu_state = bool(uc.reg_read(arm.UC_ARM_REG_CONTROL) & _FPU_STATE_ACTIVE)
    stack = uc.reg_read(arm.UC_ARM_REG_SP)
    padding = stack & 4
    frame = stack - padding - (_FRAME_BYTES_WITH_FPU if has_fpu_state else _FRAME_BYTES)
    saved = [arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3]
    saved += [arm.UC_ARM_REG_R12, arm.UC_ARM_REG_LR, arm.UC_ARM_REG_PC]
    words = [uc.reg_read(register) for register in saved]
    words.append(uc.reg_read(arm.UC_ARM_REG_XPSR) | _THUMB | (_FRAME_ALIGNED if padding else 0))
    if not write_ram(frame, b"".join(word.to_bytes(4, "little") for word in words)):
        status |= _STACKING_REFUSED
    system.note_fault(status, unreachable)
    uc.reg_write(arm.UC_ARM_REG_SP, frame)
    uc.reg_write(
        arm.UC_ARM_REG_LR, _RETURN_TO_THREAD_WITH_FPU if has_fpu_state else _RETURN_TO_THREAD
    )
    uc.reg_write(arm.UC_ARM_REG_PC, handler)
    return True


def _fault_status(error_number: int) -> int | None:
    """Configurable fault status for an error of Unicorn's; None where the core would not fault."""
    import unicorn as errors

    data = _PRECISE_DATA_BUS_ERROR | _BUS_FAULT_ADDRESS_VALID
    statuses: dict[int, int] = {
        errors.UC_ERR_READ_UNMAPPED: data,
        errors.UC_ERR_WRITE_UNMAPPED: data,
        errors.UC_ERR_READ_PROT: data,
        errors.UC_ERR_WRITE_PROT: data,
        errors.UC_ERR_FETCH_UNMAPPED: _INSTRUCTION_BUS_ERROR,
        errors.UC_ERR_FETCH_PROT: _INSTRUCTION_BUS_ERROR,
        # A jump to where nothing is: for Unicorn an exception that nobody handles.
        errors.UC_ERR_EXCEPTION: _INSTRUCTION_BUS_ERROR,
        errors.UC_ERR_INSN_INVALID: _UNDEFINED_INSTRUCTION,
    }
    return statuses.get(error_number)
