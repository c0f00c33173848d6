"""tools/check_board.py on the boards of the repository, and on copies that lack something."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.build import environments
from pipeline.device import board as board_module
from pipeline.device.board import board_names
from pipeline.paths import boards_path
from tools import check_board

Change = Callable[[Path], None]


@pytest.mark.parametrize("name", board_names())
def test_every_board_is_complete(name: str) -> None:
    assert check_board.findings(name) == []


@pytest.fixture
def boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder of boards."""
    copy = tmp_path / "boards"
    shutil.copytree(boards_path(), copy)
    for module in (board_module, environments, check_board):
        monkeypatch.setattr(module, "boards_path", lambda: copy)
    return copy


def replace(file: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        path = folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def remove(file: str) -> Change:
    return lambda folder: (folder / file).unlink()


@pytest.mark.parametrize(
    ("board", "change", "message"),
    [
        (
            "nano33",
            replace("board.toml", "mcu =", "mcp ="),
            "unknown key 'mcp'. Did you mean 'mcu'",
        ),
        ("nano33", replace("board.toml", "clock_hz", "#"), "expected 'clock_hz', which models are"),
        ("esp32", replace("board.toml", "94_208", "394_208"), "to be at most 'ram_bytes', 102,400"),
        ("esp32", replace("board.toml", "mcu", "dsp = true\nmcu"), "expected dsp = true only with"),
        (
            "esp32",
            replace("board.toml", "mcu", "flash_wait_states = 1\nmcu"),
            "expected 'flash_wait_states' only where cycles are estimated",
        ),
        ("nano33", replace("board.toml", "upload", "#"), "Received: 4 ids, upload ''. Add the"),
        (
            "nano33",
            replace("board.toml", "emulators = []", 'emulators = ["bochs"]'),
            "Received: 'bochs'. A new kind belongs into pipeline/device/select.py",
        ),
        ("nano33", remove("platformio.ini"), "Received: no file. Copy that of the board"),
        (
            "nano33",
            replace("platformio.ini", "[nano33]", "[other]"),
            "expected a section [nano33] with what its environments share. Received: other, env:",
        ),
        (
            "nano33",
            replace("platformio.ini", "custom_board = nano33", "custom_board = esp32"),
            "expected custom_board = nano33 in [nano33]. Received: esp32.",
        ),
        (
            "nano33",
            replace("platformio.ini", "[env:nano33-echo]", "[env:esp33-echo]"),
            "expected an environment [env:nano33-echo]. Received: none",
        ),
        (
            "nano33",
            replace("platformio.ini", "[env:nano33-echo]", "[env:esp33-echo]"),
            "expected only [nano33] and [env:nano33-<engine>]. Received: [env:esp33-echo]",
        ),
        (
            "nano33",
            replace("platformio.ini", "extends = nano33, engine_aot", "extends = nano33"),
            "expected `extends = nano33, engine_aot` in [env:nano33-aot]. Received: 'nano33'",
        ),
        (
            "nano33",
            replace("platformio.ini", "nordicnrf52 @ 10.11.0", "nordicnrf52"),
            "for instance `platform = nordicnrf52 @ 1.2.3`. Received: 'nordicnrf52'",
        ),
        (
            "host",
            replace("platformio.ini", "symlink://${PROJECT_DIR}/platforms/host", "symlink://emu"),
            "other paths are remembered from one checkout to the next. Received: symlink://emu",
        ),
        (
            "host",
            replace("platformio.ini", "platforms/host", "platforms/none"),
            "expected a folder of firmware/platforms in [host]",
        ),
        (
            "nrf52840",
            replace("platformio.ini", "extends = bare_cortex_m4f", ""),
            "expected a platform in [nrf52840]. Received: none",
        ),
        ("mps2_an386", remove("mps2_an386.ld"), "expected the linker script mps2_an386.ld"),
        (
            "nano33",
            replace("platformio.ini", "custom_port_libraries = arduino", "custom_x ="),
            "expected one definition of port_write()",
        ),
        (
            "nano33",
            replace("platformio.ini", "libraries = arduino", "libraries = arduino none"),
            "expected folders of firmware/lib in custom_port_libraries. Received: 'none'",
        ),
        (
            "nano33",
            replace("port.cc", "port_reset_reason", "x"),
            "definition of port_reset_reason(",
        ),
        ("host", replace("port.cc", "firmware_main();", ""), "expected the platform's entry point"),
        ("nano33", remove("README.md"), "README.md: expected what to know before using the board"),
        ("nano33", replace("README.md", "# nano33", "# nano"), "expected the title '# nano33'"),
        (
            "nano33",
            replace("../README.md", "(nano33/README.md)", ""),
            "expected a row of the table with a link to nano33/README.md",
        ),
    ],
)
def test_what_is_missing_is_found(boards: Path, board: str, change: Change, message: str) -> None:
    change(boards / board)
    found = check_board.findings(board)
    assert any(message in finding for finding in found), found


def test_every_finding_is_printed(boards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_board.main([]) == 0
    remove("README.md")(boards / "nano33")
    assert check_board.main(["host", "nano33"]) == 1
    assert capsys.readouterr().out.startswith("boards/nano33: README.md: expected what to know")
