"""What a failed build said, in words that say what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.build.complaints import explain
from pipeline.device.board import load_board
from pipeline.errors import BuildError, DoesNotFitError, MissingToolError, PipelineError

LOG = Path("out/build.log")


def explained(text: str, board: str = "nano33") -> PipelineError:
    return explain(text, load_board(board), f"{board}-aot", LOG)


def test_no_platformio() -> None:
    error = explained("/usr/bin/python3: No module named platformio\n")
    assert isinstance(error, MissingToolError)
    assert "expected the Python package platformio" in str(error)


def test_no_network() -> None:
    error = explained("Platform Manager: Installing nordicnrf52 @ 10.11.0\nHTTPClientError: \n")
    assert isinstance(error, MissingToolError)
    assert "PlatformIO's registry cannot be reached; this board needs its toolchain" in str(error)
    assert "no answer for nordicnrf52 @ 10.11.0" in str(error)
    assert str(LOG) in str(error)


@pytest.mark.parametrize(
    ("board", "text", "message"),
    [
        (
            "nano33",
            "ld: firmware.elf section `.heap' cannot move location counter backwards "
            "(from 20043cd8 to 2003fc00)",
            r"'nano33': .* fit into the 218,920 B that its framework leaves\. Received: they end "
            r"16,600 B behind .* Use a smaller input",
        ),
        ("nano33", "heap region overflowed into stack", "no room for the stack. Use a smaller"),
        (
            "esp32",
            "ld: region `dram0_0_seg' overflowed by 80904 bytes",
            r"'esp32': .* some 94,208 B \(the largest arena of this board\)\. Received: 80,904 B "
            r"more than the linker's region dram0_0_seg takes\. Use a smaller input",
        ),
        (
            "nano33",
            "ld: region `FLASH' overflowed by 1234 bytes",
            r"region FLASH\. Received: 1,234 B too many\. Use a model with fewer parameters",
        ),
        (
            "esp32",
            "Error: The program size (1442010 bytes) is greater than maximum allowed "
            "(1310720 bytes)",
            r"at most 1,310,720 B of flash\. Received: 1,442,010 B, framework included: 131,290 B",
        ),
    ],
    ids=["backwards", "stack", "dram0_0_seg", "flash region", "program size"],
)
def test_no_room(board: str, text: str, message: str) -> None:
    error = explained(f"Linking firmware.elf\n{text}\n", board)
    assert isinstance(error, DoesNotFitError)
    with pytest.raises(DoesNotFitError, match=message):
        raise error


def test_compiler_error_is_shown_with_what_explains_it() -> None:
    error = explained("gcc -Werror -o x.o x.c\nx.c:1: error: no\n 1 | no\n")
    assert isinstance(error, BuildError)
    assert "Received:\n  x.c:1: error: no\n   1 | no\nThe whole log is" in str(error)


def test_build_without_a_known_complaint_shows_its_end() -> None:
    assert "  line 9\n" in str(explained("\n".join(f"line {n}" for n in range(10))))
