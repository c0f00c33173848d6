"""A program that stands in for Renode: checks what it is given, and runs the firmware in Unicorn.

tests/device/test_renode.py puts it on PATH, and says in FAKE_RENODE what it does:

    good        as Renode does
    die         ends while it loads
    refuse      says that a command failed, and stays at its prompt
    silent      starts, and offers no line
    deaf        offers a line, on which nothing comes, after an error
    leave       ends as soon as somebody has connected
    old         is Renode 1.13
    strange     is another program of that name
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

MODE = os.environ["FAKE_RENODE"]
VERSIONS = {"old": "Renode v1.13.3\n  build: 5fc1eeb5", "strange": "mount: bad usage"}
VERSION = VERSIONS.get(MODE, "Renode v1.16.1\n  build: 3b4f7bd1-202602161131\n  runtime: .NET 8")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def stay() -> None:
    """As Renode at its prompt, with a program of its own that must not outlive it."""
    child = subprocess.Popen(["sleep", "60"])
    Path(os.environ["FAKE_RENODE_CHILD"]).write_text(str(child.pid))
    time.sleep(60)


def expand(path: str, variables: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda name: variables[name[1]], path)


def read_script(path: Path, variables: dict[str, str]) -> list[str]:
    """Commands of a script and those that it includes; fills in variables."""
    variables = {**variables, "ORIGIN": str(path.parent)}
    commands: list[str] = []
    text = re.sub(r'macro reset\n"""\n(.*?)"""', "", path.read_text(), flags=re.DOTALL)
    macro = re.search(r'macro reset\n"""\n(.*?)"""', path.read_text(), flags=re.DOTALL)
    for line in text.splitlines():
        command = line.strip()
        assignment = re.fullmatch(r"\$(\w+)(\??)=(.*)", command)
        if not command or command.startswith(("#", ":")):
            continue
        if assignment:
            if not (assignment[2] and assignment[1] in variables):
                variables[assignment[1]] = assignment[3]
        elif command.startswith("include "):
            included = command.removeprefix("include @").replace("\\ ", " ")
            commands += read_script(Path(included), variables)
        elif command == "runMacro $reset":
            assert macro is not None
            commands += [expand(each.strip(), variables) for each in macro[1].splitlines()]
        else:
            commands.append(expand(command, variables))
    return commands


def check_platform(path: Path) -> None:
    text = path.read_text()
    for line in (
        "UART.NRF52840_UART @ sysbus 0x40002000",
        "easyDMA: true",
        "Miscellaneous.DWT @ sysbus 0xE0001000",
        "frequency: 64000000",
        "systickFrequency: 64000000",
        "PerformanceInMips: 64",
    ):
        assert line in text, f"{path}: no '{line}'"
    assert "http" not in text, f"{path}: something of the internet"


def serve(elf_path: Path, port: int) -> None:
    """Bridge the port and the firmware until the other end hangs up."""
    from pipeline.device.base import Deadline
    from pipeline.device.unicorn import UnicornDevice

    with (
        socket.create_server(("127.0.0.1", port)) as server,
        UnicornDevice("nrf52840", elf_path) as device,
    ):
        line, _ = server.accept()
        if MODE == "leave":
            sys.exit("Unhandled exception: the line is gone")
        if MODE == "deaf":
            say("There was an error executing command 'start'")
            time.sleep(60)
        line.settimeout(0.01)
        while True:
            try:
                data = line.recv(65536)
                if not data:
                    return
                device.write(data)
            except TimeoutError:
                pass
            line.sendall(device.read(Deadline(0.02)))


def main() -> None:
    if sys.argv[1:] == ["-v"]:
        say(VERSION)
        return
    assert sys.argv[1:-1] == ["--disable-xwt", "--console", "--plain"], sys.argv
    if MODE == "die":
        sys.exit("Fatal error: no libtlib")
    if MODE == "refuse":
        say("There was an error executing command 'machine LoadPlatformDescription'")
        stay()
    if MODE == "silent":
        say("Renode, version 1.16.1")
        stay()
    variables: dict[str, str] = {}
    commands = read_script(Path(sys.argv[-1]), variables)
    loaded = [each.removeprefix("sysbus LoadELF @") for each in commands if "LoadELF" in each]
    (terminal,) = (each for each in commands if "CreateServerSocketTerminal" in each)
    (platform,) = (each for each in commands if "LoadPlatformDescription" in each)
    assert commands[-3:] == [terminal, "connector Connect sysbus.uart0 line", "start"], commands
    assert 'emulation SetGlobalQuantum "0.0001"' in commands
    assert "emulation SetGlobalAdvanceImmediately true" in commands
    assert "cpu VectorTableOffset 0x0" in commands
    check_platform(Path(platform.removeprefix("machine LoadPlatformDescription ")))
    port = re.fullmatch(r'emulation CreateServerSocketTerminal (\d+) "line" false', terminal)
    assert port is not None, terminal
    serve(Path(loaded[0].replace("\\ ", " ")), int(port[1]))


main()
