"""Boards, and what is built for them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """A folder of generated sources.

    Attributes:
        root: the folder.
        files: paths relative to root, sorted.
        digest: sha256 over names and contents, hex.
    """

    root: Path
    files: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Facts of a board, from boards/<name>/board.toml.

    Attributes:
        name: of the folder.
        description: for people.
        mcu, core: chip and processor core.
        dsp: whether the core runs the kernels of firmware/lib/kernels/dsp.
        clock_hz: of the core; None where it means nothing (hosts).
        flash_bytes, ram_bytes: what a model, its engine and the firmware may use;
            None where there is no limit (hosts).
        clock: what the ticks are on the real thing: "cycles", "microseconds", "host", or
            "instructions" where there is no real thing.
        instructions_per_tick: exact instructions per tick where clock is "instructions"; an
            emulated cycle counter counts each of them.
        flash_wait_states: of the flash that code runs from, at `clock_hz`; None where no cycles
            are estimated.
        emulators: device kinds that can run the board, in order of preference.
        usb_ids: "vendor:product" of its USB serial port, four lower-case hex digits each.
        upload: how an image gets onto it: "touch" (its port is opened at 1200 baud, then
            bossac), "esptool", or "" where nothing can be uploaded from here.
        arena_bytes: the largest tensor arena that the linker takes in one piece; None where
            only the RAM as a whole sets a limit.
    """

    name: str
    description: str
    mcu: str
    core: str
    dsp: bool
    clock_hz: int | None
    flash_bytes: int | None
    ram_bytes: int | None
    clock: str
    instructions_per_tick: int | None
    flash_wait_states: int | None
    emulators: tuple[str, ...]
    usb_ids: tuple[str, ...] = ()
    upload: str = ""
    arena_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareSize:
    """Where the bytes of an image go, read from its ELF.

    Attributes:
        weights_bytes: all constants of the model.
        runtime_bytes: kernels, generated code and what they pull in.
        harness_bytes: protocol, port, start-up.
        flash_bytes: text + data of the image, the sum of these three and of framework_bytes.
        arena_bytes: the tensor arena.
        static_ram_bytes: data + bss without the arena and without the stack's reserve; of the
            firmware alone where a framework has some, too.
        framework_bytes: flash of a framework (Arduino core, RTOS), and what cannot be told apart
            from it there: the compiler's library, string literals, padding. 0 without a framework.
        framework_ram_bytes: the same of data + bss, with stacks that the framework reserves there.
    """

    weights_bytes: int
    runtime_bytes: int
    harness_bytes: int
    flash_bytes: int
    arena_bytes: int
    static_ram_bytes: int
    framework_bytes: int = 0
    framework_ram_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """A built firmware.

    Attributes:
        build_id: 16 hex digits over sources, board, engine, flags and compiler.
        board, engine: names.
        toolchain: compiler name and version.
        elf_path: the image with symbols.
        size: where its bytes go; None for a host build.
    """

    build_id: str
    board: str
    engine: str
    toolchain: str
    elf_path: Path
    size: FirmwareSize | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashPart:
    """Some of an image's flash.

    Attributes:
        owner: "weights", "runtime", "harness" or "framework", as of `FirmwareSize`.
        symbol: what the linker calls it; "" for all of the owner's bytes without a symbol.
        size_bytes: in flash.
        layer: index of the operator that the generated code made it for; None for what serves
            several, or none.
    """

    owner: str
    symbol: str
    size_bytes: int
    layer: int | None = None
