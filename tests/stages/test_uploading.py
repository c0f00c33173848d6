"""Uploading to simulated boards: touches, tries, ports that wander, and what can go wrong."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial

from pipeline.build import registry
from pipeline.build.upload import Image
from pipeline.device.ports import Port, find_port
from pipeline.device.protocol import Timeouts
from pipeline.errors import DeviceError, DeviceTimeout, ProtocolError
from pipeline.records import Board, Firmware, SourceTree
from pipeline.stages.uploading import Patience, upload_with_tries, verify
from tests.desk import esp32, nano33
from tests.fake_platformio import FakePlatformIO
from tests.notes import Notes
from tests.simulated_board import BRIDGE, NANO_LOADER, Behaviour, PluggedIn, SimulatedBoard

pytestmark = pytest.mark.slow

BUILD_ID = "0123456789abcdef"
PATIENCE = Patience(
    settle_s=0.3,
    reappear_s=5.0,
    button_s=0.5,
    grasp_s=0.1,
    return_s=20.0,
    answer_s=20.0,
    client=Timeouts(banner_s=0.1, reply_s=1.0, quiet_s=0.02, probes_s=(0.2, 0.4)),
)
# For what never comes.
IMPATIENCE = dataclasses.replace(PATIENCE, return_s=2.0, answer_s=2.0)
TOUCH_FAILED = "No device found on "


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(registry, "cache_path", lambda: cache)
    firmware = Firmware(
        build_id=BUILD_ID,
        board="mps2_an386",
        engine="echo",
        toolchain="gcc 12",
        elf_path=tmp_path / "firmware.elf",
        size=None,
    )
    return Image(
        firmware=firmware,
        source=SourceTree(root=tmp_path, files=(), digest=""),
        model_name="none",
    )


Make = Callable[..., SimulatedBoard]


@pytest.fixture
def plug_in(plugged: PluggedIn) -> Iterator[Make]:
    """Plugs a board with a behaviour in, and takes it out at the end."""
    made: list[SimulatedBoard] = []

    def make(**behaviour: object) -> SimulatedBoard:
        made.append(SimulatedBoard(plugged, Behaviour(**behaviour)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for board in made:
        board.close()


def go(
    image: Image, board: Board, notes: Notes, tmp_path: Path, patience: Patience = PATIENCE
) -> Port:
    """Uploads and verifies; the port in the end."""
    port = find_port(board)
    upload_with_tries(image, board, port, tmp_path, notes, patience)
    return verify(BUILD_ID, board, port, notes, patience)[0]


# --- what goes well in the end ---


def test_port_wanders_from_application_to_loader_to_application(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    board = plug_in()
    port = go(image, nano33(), notes, tmp_path)
    assert board.events == ["touched", "uploaded"]
    assert platformio.ports == board.names[:1]
    assert port.path == board.names[2]
    assert len(set(board.names)) == 3
    assert notes.has(f"try 1 of 3 on {board.names[0]}; PlatformIO's log: {tmp_path}/upload-1.log")
    assert notes.has("upload, percent: 50 of 100")


def test_one_failure_is_tried_again(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    board = plug_in()
    platformio.plan("no device")
    assert go(image, nano33(), notes, tmp_path).path == board.names[-1]
    assert notes.has(f"try 1 failed: {TOUCH_FAILED}")
    assert notes.has("try 2 of 3")
    assert "No device found" in (tmp_path / "upload-1.log").read_text()
    assert "Done" in (tmp_path / "upload-2.log").read_text()
    # Nobody was asked to press anything.
    assert not notes.has("twice")


def test_touch_without_effect_is_repeated(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    board = plug_in(ignored_touches=1)
    go(image, nano33(), notes, tmp_path)
    assert board.events == ["touched", "touched", "uploaded"]
    assert notes.has("try 1 failed: Couldn't find a board on the selected port")


def test_next_try_goes_to_where_the_board_has_come_back(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    board = plug_in()
    platformio.plan("sam-ba")
    threading.Timer(0.1, board.restart).start()
    port = find_port(nano33())
    upload_with_tries(image, nano33(), port, tmp_path, notes, PATIENCE)
    assert platformio.ports[0] == port.path == board.names[0]
    assert platformio.ports[1] == board.names[1]


def test_double_tap_is_asked_for_and_used(
    plug_in: Make,
    image: Image,
    platformio: FakePlatformIO,
    notes: Notes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board = plug_in()
    platformio.plan("no device", "no new port")
    patience = dataclasses.replace(PATIENCE, button_s=20.0)

    def headline(text: str) -> None:
        notes.lines.append(text)
        if "reset button twice" in text:
            board.behaviour.application_id = NANO_LOADER
            threading.Timer(0.5, board.restart).start()

    monkeypatch.setattr(notes, "headline", headline)
    upload_with_tries(image, nano33(), find_port(nano33()), tmp_path, notes, patience)
    # It was not uploaded to before the person had pressed.
    assert platformio.ports == [board.names[0], board.names[0], board.names[1]]
    assert board.events[-1] == "uploaded"


def test_esp32_goes_slower_the_second_time(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    board = plug_in(application_id=BRIDGE, loader_id=BRIDGE)
    platformio.plan("noise")
    port = go(image, esp32(), notes, tmp_path)
    assert port.path == board.names[0]
    assert board.events == ["uploaded"]
    speeds = [call.variables.get("ESPALIER_UPLOAD_SPEED") for call in platformio.calls]
    assert speeds == [None, "115200"]
    assert notes.has("try 2 of 3 on " + port.path + " at 115200 baud")


def test_esp32_asks_for_the_boot_button_at_last(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    plug_in(application_id=BRIDGE, loader_id=BRIDGE)
    platformio.plan("boot mode", "boot mode")
    go(image, esp32(), notes, tmp_path)
    assert notes.has("Hold the board's BOOT button down")
    speeds = [call.variables.get("ESPALIER_UPLOAD_SPEED") for call in platformio.calls]
    assert speeds == [None, "115200", "115200"]


def test_loader_that_lingers_is_not_taken_for_the_application(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    board = plug_in(lingers_s=1.2)
    assert go(image, nano33(), notes, tmp_path).path == board.names[2]


def test_two_boards_and_the_named_one_is_flashed(
    plugged: PluggedIn, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    with (
        SimulatedBoard(plugged, location="1-4") as first,
        SimulatedBoard(plugged, location="1-5") as second,
    ):
        port = find_port(nano33(), second.port)
        upload_with_tries(image, nano33(), port, tmp_path, notes, PATIENCE)
        assert verify(BUILD_ID, nano33(), port, notes, PATIENCE)[0].path == second.names[-1]
        assert first.events == []
        assert second.events == ["touched", "uploaded"]


# --- what fails ---


def test_three_failures_are_the_end(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    plug_in()
    platformio.plan("no device", "no device", "no new port")
    with pytest.raises(DeviceError) as caught:
        go(image, nano33(), notes, tmp_path)
    assert type(caught.value) is DeviceError
    assert caught.value.exit_status == 4
    message = str(caught.value)
    assert "must take the firmware in 3 tries. Received, the last time: Couldn't find" in message
    assert "Press the board's reset button twice, quickly" in message
    assert message.endswith(f"PlatformIO's log is {tmp_path}/upload-3.log.")
    assert len(platformio.calls) == 3


def test_loader_whose_port_is_not_permitted(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    """The rule that lets the application in may miss the boot loader, which has another id."""
    plug_in()
    platformio.plan(*["no permission"] * 3)
    with pytest.raises(
        DeviceError, match=r"Permission denied.* 'sudo cp \S*tools/60-espalier\.rules"
    ):
        go(image, nano33(), notes, tmp_path)


def test_board_that_is_taken_away_between_two_tries(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    board = plug_in()
    platformio.plan("no device")
    patience = dataclasses.replace(PATIENCE, reappear_s=0.3)
    port = find_port(nano33())
    threading.Timer(0.1, board.unplug).start()
    with pytest.raises(DeviceError, match="Received: nothing of board 'mps2_an386' at that plug"):
        upload_with_tries(image, nano33(), port, tmp_path, notes, patience)
    assert len(platformio.calls) == 1


def test_port_that_never_comes_back(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    plug_in(returns=False)
    with pytest.raises(DeviceTimeout) as caught:
        go(image, nano33(), notes, tmp_path, IMPATIENCE)
    assert caught.value.exit_status == 5
    message = str(caught.value)
    assert "the board's port must be back within 2 s. Received: no port" in message
    assert "platform-nordicnrf52 #175" in message
    assert "nordicnrf52 @ 9.5.0" in message


def test_board_that_answers_nothing(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    board = plug_in(mute_after=True)
    with pytest.raises(DeviceTimeout) as caught:
        go(image, nano33(), notes, tmp_path, IMPATIENCE)
    assert caught.value.exit_status == 5
    assert f"{board.port}, after the upload: serial: no answer to 'name'" in str(caught.value)


def test_wrong_build_id(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    plug_in(build_id_after="f" * 16)
    with pytest.raises(DeviceError) as caught:
        go(image, nano33(), notes, tmp_path)
    assert type(caught.value) is DeviceError
    assert caught.value.exit_status == 4
    assert f"build id '{BUILD_ID}'. Received: '{'f' * 16}' of board 'nano33'" in str(caught.value)


def test_engine_that_does_not_start(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    plug_in(status_after="arena too small")
    with pytest.raises(DeviceError, match="did not start.* Received: 'arena too small'"):
        go(image, nano33(), notes, tmp_path)


def test_unplugged_while_it_is_asked(
    plug_in: Make, image: Image, platformio: FakePlatformIO, notes: Notes, tmp_path: Path
) -> None:
    plug_in(unplug_on_question=True)
    with pytest.raises(DeviceError, match="after the upload: .* the device has gone away") as a:
        go(image, nano33(), notes, tmp_path, IMPATIENCE)
    assert a.value.exit_status == 4


def test_answers_that_make_no_sense(plug_in: Make, notes: Notes) -> None:
    board = plug_in()
    board.become(protocol=99)
    with pytest.raises(ProtocolError, match="after the upload: info: .* Received: 99") as a:
        verify(BUILD_ID, nano33(), find_port(nano33()), notes, IMPATIENCE)
    assert a.value.exit_status == 5


def test_port_that_another_program_keeps_after_the_upload(plug_in: Make, notes: Notes) -> None:
    plug_in()
    port = find_port(nano33())
    patience = dataclasses.replace(PATIENCE, settle_s=0, return_s=0.3)
    with (
        serial.Serial(port.path, exclusive=True),
        pytest.raises(DeviceError, match="Another program uses the port") as caught,
    ):
        verify(BUILD_ID, nano33(), port, notes, patience)
    assert caught.value.exit_status == 4
    assert os.path.exists(port.path)
