"""Checks that the folder of a board is complete and that its parts agree.

    python tools/check_board.py [NAME ...]

Without names it checks every board. Prints one line for each finding: where, what was expected,
what was found, and what to do. Exit status 1 if there was any.
"""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.build.environments import section_option
from pipeline.device.board import board_names, load_board
from pipeline.device.select import KINDS
from pipeline.errors import ConfigError
from pipeline.paths import boards_path, firmware_path
from pipeline.records import Board

# Engines that every board has an environment for: one without a model, to try the board with, and
# the one that models are deployed with.
REQUIRED_ENGINES = ("echo", "aot")
# Cores with the instructions that firmware/lib/kernels/dsp is written in, and that cycles can be
# estimated for.
DSP_CORES = ("cortex-m4f",)
OWN_PLATFORM = "symlink://${PROJECT_DIR}/platforms/"

_DECLARED = re.compile(r"^[\w ]+[ *](port_\w+)\(", re.MULTILINE)
_DEFINED = re.compile(
    r"^(?:__attribute__\(\(\w+\)\) )?[\w ]+[ *](port_\w+)\([^;{]*\)\s*\{", re.MULTILINE
)
_PINNED = re.compile(r"@ *=?\d+\.\d+|^https://\S+/\d[\w.]*/\S+$")


def findings(name: str) -> list[str]:
    """What is wrong with the folder boards/<name>; empty if nothing is."""
    folder = boards_path() / name
    try:
        board = load_board(name)
    except ConfigError as error:
        return [f"board.toml: {error}"]
    found = list(_facts(board))
    config = _read_config(folder)
    if config is None:
        found.append(
            "platformio.ini: expected sections and environments for PlatformIO. Received: no file. "
            "Copy that of the board which is most like it."
        )
    else:
        found += _environments(board, config)
        libraries = section_option(name, name, "custom_port_libraries") or ""
        found += _port(folder, libraries.split())
    return found + list(_readme(folder))


def _facts(board: Board) -> Iterator[str]:
    where = "board.toml"
    if board.core != "host":
        for key in ("clock_hz", "flash_bytes", "ram_bytes"):
            if getattr(board, key) is None:
                yield (
                    f"{where}: expected '{key}', which models are held against. Received: none. "
                    "Take it from the data sheet, less what a framework takes."
                )
    if board.arena_bytes and board.ram_bytes and board.arena_bytes > board.ram_bytes:
        yield (
            f"{where}: expected 'arena_bytes' to be at most 'ram_bytes', {board.ram_bytes:,}. "
            f"Received: {board.arena_bytes:,}. Leave it out if only the RAM as a whole is a limit."
        )
    if board.dsp and board.core not in DSP_CORES:
        yield (
            f"{where}: expected dsp = true only with a core of {', '.join(DSP_CORES)}, which have "
            f"SMLAD and SXTB16. Received: '{board.core}'. Set it to false."
        )
    if board.flash_wait_states is not None and board.core not in DSP_CORES:
        yield (
            f"{where}: expected 'flash_wait_states' only where cycles are estimated, on "
            f"{', '.join(DSP_CORES)}. Received: '{board.core}'. Leave it out."
        )
    if bool(board.usb_ids) != bool(board.upload):
        yield (
            f"{where}: expected 'usb_ids' and 'upload' together: a board is found by its ids to be "
            f"flashed. Received: {len(board.usb_ids)} ids, upload '{board.upload}'. Add the other, "
            "or leave out both."
        )
    for kind in set(board.emulators) - set(KINDS):
        yield (
            f"{where}: expected emulators of {', '.join(KINDS)}. Received: '{kind}'. A new kind "
            "belongs into pipeline/device/select.py."
        )


def _read_config(folder: Path) -> configparser.ConfigParser | None:
    parser = configparser.ConfigParser(interpolation=None)
    return parser if parser.read(folder / "platformio.ini", encoding="utf-8") else None


def _environments(board: Board, config: configparser.ConfigParser) -> Iterator[str]:
    name, where = board.name, "platformio.ini"
    if name not in config:
        yield (
            f"{where}: expected a section [{name}] with what its environments share. Received: "
            f"{', '.join(config.sections()) or 'none'}. Rename what the copied board had."
        )
        return
    shared = config[name]
    custom = shared.get("custom_board")
    if custom != name:
        yield (
            f"{where}: expected custom_board = {name} in [{name}]. Received: {custom}. The build "
            "takes the port from the folder that it names."
        )
    script = shared.get("custom_linker_script")
    if script is not None and not (boards_path() / name / script).is_file():
        yield f"{where}: expected the linker script {script} in the folder. Received: no such file."
    for engine in REQUIRED_ENGINES:
        if f"env:{name}-{engine}" not in config:
            yield (
                f"{where}: expected an environment [env:{name}-{engine}]. Received: none. Add it "
                f"with `extends = {name}, engine_{engine}`."
            )
    for section in config.sections():
        if section == name:
            continue
        engine = section.removeprefix(f"env:{name}-")
        if engine == section:
            yield (
                f"{where}: expected only [{name}] and [env:{name}-<engine>]. Received: "
                f"[{section}]. Its name would be another board's."
            )
        elif [part.strip() for part in config[section].get("extends", "").split(",")] != [
            name,
            f"engine_{engine}",
        ]:
            yield (
                f"{where}: expected `extends = {name}, engine_{engine}` in [{section}]. Received: "
                f"'{config[section].get('extends', '')}'."
            )
    for section in config.sections():
        if section == name or "platform" in config[section]:
            yield from _platform(name, section)


def _platform(name: str, section: str) -> Iterator[str]:
    platform = section_option(name, section, "platform")
    if platform is None:
        yield f"platformio.ini: expected a platform in [{section}]. Received: none."
        return
    if platform.startswith("symlink://"):
        if not platform.startswith(OWN_PLATFORM):
            yield (
                f"platformio.ini: expected `platform = {OWN_PLATFORM}...` in [{section}]; other "
                f"paths are remembered from one checkout to the next. Received: {platform}."
            )
        elif not (firmware_path() / "platforms" / platform.removeprefix(OWN_PLATFORM)).is_dir():
            yield (
                "platformio.ini: expected a folder of firmware/platforms in "
                f"[{section}]. Received: {platform}."
            )
    elif not _PINNED.search(platform):
        yield (
            f"platformio.ini: expected an exact version in [{section}], for instance "
            f"`platform = {platform.split('@')[0].strip()} @ 1.2.3`. Received: '{platform}'."
        )


def _port(folder: Path, libraries: list[str]) -> Iterator[str]:
    """Whether each function of port.h is defined once, by the folder or a library of its port."""
    header = (firmware_path() / "lib" / "core" / "port.h").read_text(encoding="utf-8")
    sources = [*folder.glob("*.c*")]
    for library in libraries:
        path = firmware_path() / "lib" / library
        if not path.is_dir():
            yield (
                f"platformio.ini: expected folders of firmware/lib in custom_port_libraries. "
                f"Received: '{library}'."
            )
        sources += path.glob("*.c*")
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(sources)}
    defined: dict[str, list[str]] = {}
    for path, text in texts.items():
        for function in _DEFINED.findall(text):
            defined.setdefault(function, []).append(path.name)
    where = ", ".join(path.name for path in texts) or "port.cc"
    for function in _DECLARED.findall(header):
        places = defined.get(function, [])
        if len(places) != 1:
            yield (
                f"{where}: expected one definition of {function}(), as firmware/lib/core/port.h "
                f"explains it. Received: {len(places)} ({', '.join(places) or 'none'})."
            )
    if not any(re.search(r"\bfirmware_main\(\);", text) for text in texts.values()):
        yield (
            f"{where}: expected the platform's entry point to call firmware_main(). Received: no "
            "such call. Nothing would run."
        )


def _readme(folder: Path) -> Iterator[str]:
    path = folder / "README.md"
    if not path.is_file():
        yield (
            "README.md: expected what to know before using the board. Received: no file. Say how "
            "it is flashed, what its ticks are and what it does after a crash."
        )
        return
    title = path.read_text(encoding="utf-8").partition("\n")[0]
    if title != f"# {folder.name}":
        yield f"README.md: expected the title '# {folder.name}'. Received: '{title}'."
    table = (boards_path() / "README.md").read_text(encoding="utf-8")
    if f"({folder.name}/README.md)" not in table:
        yield (
            f"boards/README.md: expected a row of the table with a link to {folder.name}/README.md."
            " Received: none."
        )


def main(names: list[str]) -> int:
    """Prints every finding; returns the exit status."""
    failed = False
    for name in names or board_names():
        for finding in findings(name):
            print(f"boards/{name}: {finding}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
