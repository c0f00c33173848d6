"""Whole builds: what comes out, that it always is the same, and what is said when one fails."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pipeline.build.environments import board_engines
from pipeline.build.platformio import build_firmware, compute_build_id
from pipeline.build.toolchain import Toolchain
from pipeline.device.board import load_board
from pipeline.errors import BuildError, ConfigError, DoesNotFitError, MissingToolError
from pipeline.records import Board, Firmware, SourceTree
from tests.build.conftest import copy_tree


def test_result(board: Board, no_model: SourceTree, toolchain: str, tmp_path: Path) -> None:
    lines: list[str] = []
    firmware = build_firmware(
        board, "echo", no_model, tmp_path / "out", toolchain=toolchain, log=lines.append
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "build.log",
        "firmware.elf",
        "size.json",
    ]
    assert (firmware.board, firmware.engine) == ("mps2_an386", "echo")
    assert lines[0] == f"building mps2_an386-echo with {firmware.toolchain}"
    assert firmware.build_id.encode() in firmware.elf_path.read_bytes()
    record = json.loads((tmp_path / "out" / "size.json").read_text())
    assert record["build_id"] == firmware.build_id
    assert record["size"]["firmware"]["flash_bytes"] == firmware.size.flash_bytes
    assert not any(
        "warning" in line.lower() for line in (tmp_path / "out/build.log").read_text().splitlines()
    )


def test_same_bytes_wherever_it_is_built(
    board: Board,
    model: SourceTree,
    toolchain: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = build_firmware(board, "aot", model, tmp_path / "a", toolchain=toolchain)
    moved = copy_tree(model, tmp_path / "a-much-longer-name" / "sources")
    # What somebody has set for PlatformIO elsewhere must not get in.
    monkeypatch.setenv("PLATFORMIO_BUILD_FLAGS", "-DNOT_OURS -O0")
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "elsewhere"))
    second = build_firmware(board, "aot", moved, tmp_path / "b/c", toolchain=toolchain)
    assert first.build_id == second.build_id
    assert first.elf_path.read_bytes() == second.elf_path.read_bytes()
    assert not (tmp_path / "elsewhere").exists()


def test_what_a_killed_compiler_leaves_goes_with_the_build(
    board: Board, no_model: SourceTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(
        command: Sequence[str], environment: Mapping[str, str], *rest: object, **options: object
    ) -> int:
        (Path(environment["TMPDIR"]) / "ccABCDEF.s").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.build.platformio.run_logged", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_firmware(board, "echo", no_model, tmp_path / "out")
    assert not list(tmp_path.rglob("cc*"))
    assert not list(tmp_path.rglob(".platformio-*"))


def test_relative_folder(
    board: Board, no_model: SourceTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    firmware = build_firmware(board, "echo", no_model, Path("out"))
    assert firmware.elf_path == Path("out/firmware.elf")
    assert (tmp_path / "out" / "firmware.elf").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_builds_at_the_same_time(board: Board, no_model: SourceTree, tmp_path: Path) -> None:
    built: dict[int, Firmware] = {}

    def build(number: int) -> None:
        built[number] = build_firmware(
            board, "echo", no_model, tmp_path / str(number), model_name=f"model{number}"
        )

    threads = [threading.Thread(target=build, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({firmware.build_id for firmware in built.values()}) == 3
    for number, firmware in built.items():
        assert f"model{number}\0".encode() in firmware.elf_path.read_bytes()


def test_build_id_follows_what_decides(board: Board, no_model: SourceTree) -> None:
    compiler = Toolchain(kind="gcc", name="gcc", version="12")

    def identity(
        board: Board = board,
        engine: str = "aot",
        source: SourceTree = no_model,
        compiler: Toolchain = compiler,
        model_name: str = "a",
    ) -> str:
        return compute_build_id(board, engine, source, compiler, model_name=model_name)

    first = identity()
    assert len(first) == 16
    assert identity() == first
    others = {
        identity(board=load_board("host")),
        identity(engine="echo"),
        identity(source=dataclasses.replace(no_model, digest="other")),
        identity(compiler=dataclasses.replace(compiler, version="13")),
        identity(model_name="b"),
    }
    assert len(others - {first}) == 5


def test_compile_error_is_shown(
    board: Board, model: SourceTree, toolchain: str, tmp_path: Path
) -> None:
    broken = copy_tree(model, tmp_path / "broken")
    with (broken.root / "model.c").open("a") as stream:
        stream.write("int broken(void) { return nothing_of_that_name; }\n")
    with pytest.raises(BuildError) as caught:
        build_firmware(board, "aot", broken, tmp_path / "out", toolchain=toolchain)
    message = str(caught.value)
    assert "build mps2_an386-aot: expected the firmware to compile and link. Received:" in message
    assert "model.c:" in message
    assert "nothing_of_that_name" in message
    assert str(tmp_path / "out" / "build.log") in message
    assert not (tmp_path / "out" / "firmware.elf").exists()


def test_link_error_is_shown(board: Board, model: SourceTree, tmp_path: Path) -> None:
    broken = copy_tree(model, tmp_path / "broken")
    with (broken.root / "model.h").open("a") as stream:
        stream.write("int nowhere_defined(void);\n#define model_run(arena) nowhere_defined()\n")
    (broken.root / "model.c").write_text("#define model_run model_run_unused\n")
    with pytest.raises(BuildError, match="(?s)undefined .*(nowhere_defined|model_)"):
        build_firmware(board, "aot", broken, tmp_path / "out")


def test_warning_is_an_error(board: Board, model: SourceTree, tmp_path: Path) -> None:
    broken = copy_tree(model, tmp_path / "broken")
    with (broken.root / "model.c").open("a") as stream:
        stream.write("static int unused_function(void) { return 0; }\n")
    with pytest.raises(BuildError, match="unused_function"):
        build_firmware(board, "aot", broken, tmp_path / "out")


def test_engine_without_its_model(board: Board, no_model: SourceTree, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"must\s+name a folder with model\.h"):
        build_firmware(board, "aot", no_model, tmp_path / "out")


def test_too_large_for_the_board(board: Board, no_model: SourceTree, tmp_path: Path) -> None:
    small = dataclasses.replace(board, ram_bytes=8_200)
    with pytest.raises(DoesNotFitError, match=r"at most 8,200 B of RAM\. Received: 8,\d\d\d B"):
        build_firmware(small, "echo", no_model, tmp_path)


def test_arena_larger_than_any_memory(board: Board, model: SourceTree, tmp_path: Path) -> None:
    huge = copy_tree(model, tmp_path / "huge")
    header = huge.root / "model.h"
    text = header.read_text()
    begin = text.index("#define MODEL_ARENA_BYTES")
    end = text.index("\n", begin)
    header.write_text(text[:begin] + "#define MODEL_ARENA_BYTES 300000" + text[end:])
    with pytest.raises(DoesNotFitError, match=r"tensor arena 300,000 \+ static"):
        build_firmware(board, "aot", huge, tmp_path / "out")


def test_unknown_engine(board: Board, no_model: SourceTree, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="one of aot, tflm, echo, failing for board 'mps2_an386'. Received: 'x'"
    ):
        build_firmware(board, "x", no_model, tmp_path)


def test_board_without_environments(board: Board) -> None:
    assert board_engines(board) == ("aot", "tflm", "echo", "failing")
    with pytest.raises(ConfigError, match=r"'none': expected a file .*platformio\.ini"):
        board_engines(dataclasses.replace(board, name="none"))


def test_missing_compiler(
    board: Board, no_model: SourceTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="toolchain gcc is not installed"):
        build_firmware(board, "echo", no_model, tmp_path / "out", toolchain="gcc")
