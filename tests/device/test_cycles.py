"""The cycle estimate against the core's manual, instruction by instruction, and in a loop."""

from __future__ import annotations

import ctypes
import dataclasses
from functools import partial

import pytest

from pipeline.device.board import load_board
from pipeline.device.count import BlockCounter
from pipeline.device.cycles import BlockCost, block_cost
from pipeline.device.protocol import Client
from pipeline.device.select import make_cycle_device
from pipeline.device.unicorn import UnicornDevice
from pipeline.errors import DeviceError
from tests.device.conftest import ECHO_BYTES, Build

BOARD = "mps2_an386"
INPUT = bytes(range(ECHO_BYTES))

# Code, its encoding, and cycles: if the core goes on behind it, and more if it does not.
BLOCKS = [
    ("add r0, r1", "0844", 1, 0),
    ("smlad r0, r1, r2, r3", "21fb0230", 1, 0),
    ("smmla r0, r1, r2, r3", "51fb0230", 1, 0),
    ("ssat r0, #8, r1, asr #5", "21f34710", 1, 0),
    ("mla r0, r1, r2, r3", "01fb0230", 1, 0),
    ("smlal r0, r1, r2, r3", "c2fb0301", 1, 0),
    ("sdiv r0, r1, r2", "91fbf2f0", 12, 0),
    ("udiv r0, r1, r2", "b1fbf2f0", 12, 0),
    ("ldr r0, [r1, #4]", "4868", 2, 0),
    ("ldrsb r0, [r1], #1", "11f9010b", 2, 0),
    ("ldr r0, [r1]; ldr r2, [r3]; ldrh r4, [r5]", "08681a682c88", 4, 0),
    ("str r0, [r1]", "0860", 1, 0),
    ("ldr r0, [r1]; str r2, [r3]", "08681a60", 3, 0),
    ("str r0, [r1]; ldr r2, [r3]", "08601a68", 3, 0),
    ("ldr r0, [r1]; nop; ldr r2, [r3]", "086800bf1a68", 5, 0),
    ("ldr r0, [pc, #4]", "0148", 2, 0),
    ("ldrd r0, r1, [r2]", "d2e90001", 3, 0),
    ("ldrd r0, r1, [r2]; ldr r3, [r4]", "d2e900012368", 5, 0),
    ("ldr r3, [r4]; ldrd r0, r1, [r2]", "2368d2e90001", 5, 0),
    ("strd r0, r1, [r2], #8", "e2e80201", 3, 0),
    ("ldmia r0!, {r1-r7}", "fec8", 8, 0),
    ("stmia.w r0!, {r4-r11}", "a0e8f00f", 9, 0),
    ("push {r4-r7, lr}", "f0b5", 6, 0),
    ("pop {r4-r7, pc}", "f0bd", 8, 0),
    ("b .", "fee7", 3, 0),
    ("bl .", "fff7feff", 3, 0),
    ("bx lr", "7047", 3, 0),
    ("beq .", "fed0", 1, 2),
    ("beq.w .", "3ff4feaf", 1, 2),
    ("cbz r0, .+4", "00b1", 1, 2),
    ("tbb [pc, r0]", "dfe800f0", 4, 0),
    ("it ne; popne {r4, pc}", "18bf10bd", 2, 4),
    ("it ne; bxne lr", "18bf7047", 2, 2),
    ("it ne; addne r0, r0, #1", "18bf0130", 2, 0),
    ("ldr pc, [sp], #4", "5df804fb", 4, 0),
    ("mov pc, r0", "8746", 3, 0),
    ("vmov s0, r0", "00ee100a", 1, 0),
    ("vmov r0, r1, s0, s1", "51ec100a", 2, 0),
    ("vmul.f32 s0, s1, s2", "20ee810a", 1, 0),
    ("vdiv.f32 s0, s1, s2", "80ee810a", 14, 0),
    ("vfma.f32 s0, s1, s2", "a0ee810a", 3, 0),
    ("vldr s0, [r0]", "90ed000a", 2, 0),
    ("vpush {d8-d9}", "2ded048b", 5, 0),
    ("mrs r0, primask", "eff31080", 2, 0),
    ("", "", 0, 0),
]


@pytest.mark.parametrize(
    ("code", "cycles", "taken_cycles"),
    [pytest.param(bytes.fromhex(code), *cost, id=source) for source, code, *cost in BLOCKS],
)
def test_instructions_cost_what_the_manual_says(
    code: bytes, cycles: int, taken_cycles: int
) -> None:
    cost = block_cost(code, flash_wait_states=0)
    assert (cost.cycles, cost.taken_cycles) == (cycles, taken_cycles)


@pytest.mark.parametrize(
    ("source", "code", "cycles", "taken_cycles"),
    [
        ("sequential", "0844 4868", 3, 0),
        ("branch", "fee7", 3 + 4, 0),
        ("conditional branch", "fed0", 1, 2 + 4),
        ("literal", "0148", 2 + 4, 0),
    ],
)
def test_branches_and_literals_wait_for_the_flash(
    source: str, code: str, cycles: int, taken_cycles: int
) -> None:
    cost = block_cost(bytes.fromhex(code), flash_wait_states=4)
    assert (cost.cycles, cost.taken_cycles) == (cycles, taken_cycles)


def test_what_no_cortex_m4_runs_is_refused() -> None:
    with pytest.raises(DeviceError, match="instructions of a Cortex-M4. Received: ff ff ff ff"):
        block_cost(bytes.fromhex("0844 ffffffff"), flash_wait_states=0)


#     movs r0, #100
#     mov  r4, #0x20000000
#     mov  r1, r4
# 1:  ldr  r2, [r1]
#     ldr  r3, [r1, #4]
#     smlad r5, r2, r3, r5
#     sdiv r6, r5, r0
#     tst  r0, #1
#     beq  2f
#     str  r5, [r1]
# 2:  subs r0, #1
#     bne  1b
#     ldrd r2, r3, [r1]
LOOP = bytes.fromhex(
    "6420 4ff00054 2146 0a68 4b68 22fb0355 95fbf0f6 10f0010f 00d0 0d60 0138 f3d1 d1e90023"
)
LOOP_INSTRUCTIONS = 3 + 100 * 6 + 50 + 100 * 2 + 1
# Set-up; five instructions each time; the first branch every other time, the second 99 times.
LOOP_CYCLES = 3 + 100 * (2 + 1 + 1 + 12 + 1) + 50 * 3 + 50 * (1 + 1) + 100 + 99 * 3 + 1 + 3


@pytest.mark.needs("unicorn")
@pytest.mark.parametrize("use_native", [None, False], ids=["native", "python"])
@pytest.mark.parametrize("constant", [True, False], ids=["flash", "ram"])
def test_a_loop_takes_what_can_be_reckoned_by_hand(use_native: bool | None, constant: bool) -> None:
    import unicorn

    counter = BlockCounter(partial(block_cost, flash_wait_states=0), use_native)
    uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(unicorn.arm_const.UC_CPU_ARM_CORTEX_M4)
    code = ctypes.create_string_buffer(LOOP, 0x1000)
    uc.mem_map_ptr(0, len(code), unicorn.UC_PROT_ALL, ctypes.addressof(code))
    uc.mem_map(0x20000000, 0x1000)
    counter.add_region(code, 0, constant)
    counter.attach(uc)
    uc.emu_start(1, len(LOOP))
    counter.check()
    assert (counter.instructions, counter.cycles) == (LOOP_INSTRUCTIONS, LOOP_CYCLES)


@pytest.mark.needs("unicorn")
@pytest.mark.parametrize("use_native", [None, False], ids=["native", "python"])
def test_an_estimate_that_fails_is_no_silent_zero(use_native: bool | None) -> None:
    import unicorn

    def fail(code: bytes) -> BlockCost:
        raise DeviceError("no cost")

    counter = BlockCounter(fail, use_native)
    uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    code = ctypes.create_string_buffer(b"\x00\xbf" * 4, 0x1000)
    uc.mem_map_ptr(0, len(code), unicorn.UC_PROT_ALL, ctypes.addressof(code))
    counter.add_region(code, 0, constant=True)
    counter.attach(uc)

    def run_and_check() -> None:
        uc.emu_start(1, 8)
        counter.check()

    with pytest.raises(DeviceError, match="no cost"):
        run_and_check()


@pytest.mark.emulator
@pytest.mark.needs("unicorn")
def test_both_hooks_estimate_the_same(build_echo: Build) -> None:
    elf = build_echo(BOARD).elf_path
    replies = []
    for use_native in (None, False):
        with UnicornDevice(BOARD, elf, flash_wait_states=0, use_native=use_native) as device:
            client = Client(device)
            client.connect()
            replies.append([(client.run(INPUT).ticks, client.layers(INPUT)) for _ in range(3)])
    assert replies[0] == replies[1]


@pytest.mark.emulator
@pytest.mark.needs("unicorn")
def test_a_board_with_slower_flash_takes_longer(build_echo: Build) -> None:
    board, firmware = load_board(BOARD), build_echo(BOARD)
    ticks = []
    for wait_states in (0, 5):
        slow = dataclasses.replace(board, flash_wait_states=wait_states)
        device = make_cycle_device(slow, firmware)
        assert device is not None
        with device:
            client = Client(device)
            client.connect()
            ticks.append(client.run(INPUT).ticks)
    assert 0 < ticks[0] < ticks[1]


@pytest.mark.parametrize(
    "change",
    [{"core": "esp32"}, {"flash_wait_states": None}, {"emulators": ("qemu",)}],
    ids=["core", "flash", "emulator"],
)
def test_without_a_model_there_is_no_estimate(change: dict[str, object]) -> None:
    board = dataclasses.replace(load_board(BOARD), **change)
    assert make_cycle_device(board, None) is None
