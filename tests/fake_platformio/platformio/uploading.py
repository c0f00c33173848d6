"""Uploads to simulated boards, which fail as real ones are known to.

outcomes.json holds the outcome of each upload to come ("ok", or a name in LOGS), ports.json what
is plugged in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import serial

PATIENCE_S = 30.0
# For the boot loader to show after a touch; the real program waits five.
TOUCH_S = 3.0
LOADER_IDS = ("2341:005a",)

# By outcome: what the tools say, in the words of public reports. {port} is the port's name.
LOGS = {
    "no device": "No device found on {name}\n*** [upload] Error 1\n",
    "no new port": (
        "Error: Couldn't find a board on the selected port. Check that you have the correct port "
        "selected. If it is correct, try pressing the board's reset button after initiating the "
        "upload.\n*** [upload] Explicit exit, status 1\n"
    ),
    "gone": (
        "SerialException: [Errno 2] could not open port {port}: [Errno 2] No such file or "
        "directory: '{port}'\n*** [upload] Error 1\n"
    ),
    "no permission": (
        "SerialException: [Errno 13] could not open port {port}: [Errno 13] Permission denied: "
        "'{port}'\n*** [upload] Error 1\n"
    ),
    "sam-ba": "Erase flash\n\nDone in 0.001 seconds\n\nSAM-BA operation failed\n"
    "*** [upload] Error 1\n",
    "boot mode": (
        "esptool.py v4.11.0\nSerial port {port}\nConnecting......................................\n"
        "\nA fatal error occurred: Failed to connect to ESP32: Wrong boot mode detected (0x13)! "
        "The chip needs to be in download mode.\n*** [upload] Error 2\n"
    ),
    "noise": (
        "esptool.py v4.11.0\nSerial port {port}\nConnecting....\nChip is ESP32-D0WD-V3\n"
        "Changing baud rate to 460800\nChanged.\n"
        "\nA fatal error occurred: No serial data received.\n*** [upload] Error 2\n"
    ),
    "offline": "Tool Manager: Installing platformio/tool-openocd @ ~3.1200.0\nHTTPClientError: \n",
    "no bossac": "sh: 1: bossac: not found\n*** [upload] Error 127\n",
    "compiler": (
        "src/main.cc:10:3: error: 'x' was not declared in this scope\n"
        "*** [.pio/build/nano33-aot/espalier_harness/main.o] Error 1\n"
    ),
    "other": "Error: something that nobody has seen before\n*** [upload] Error 1\n",
}


def upload_as_planned(folder: Path, port: str) -> int:
    """Upload once with the next outcome; returns the exit status."""
    outcomes = json.loads((folder / "outcomes.json").read_text())
    outcome = outcomes.pop(0) if outcomes else "ok"
    (folder / "outcomes.json").write_text(json.dumps(outcomes))
    say(f"Using manually specified: {port}")
    if outcome == "hang":
        # As an uploader that waits for its board.
        child = subprocess.Popen(["sleep", "3600"])
        (folder / "child").write_text(str(child.pid))
        say("[===============               ] 50% (10/20 pages)")
        child.wait()
    if outcome == "ok":
        return upload(folder, port)
    say(LOGS[outcome].format(port=port, name=os.path.basename(port)))
    return 1


def say(text: object) -> None:
    """Write a line at once, before the processes that follow."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def plugged_in(folder: Path) -> list[dict[str, str]]:
    """The ports that there are."""
    return json.loads((folder / "ports.json").read_text())


def upload(folder: Path, port: str) -> int:
    """Touch a board that has a boot loader of its own, and send it a build id for an image."""
    before = {facts["path"]: facts["usb_id"] for facts in plugged_in(folder)}
    if before.get(port, "").startswith("2341:"):
        touched = touch(folder, port, before)
        if not touched:
            say(LOGS["no new port"])
            return 1
        port = touched
        say(f"bossac --port {port} --write --erase -U --reset firmware.bin")
    try:
        with serial.Serial(port, timeout=PATIENCE_S) as line:
            for percent in (0, 50, 100):
                say(f"[{'=' * (percent * 30 // 100):30}] {percent}% ({percent}/100 pages)")
                time.sleep(0.3)
            line.write(b"\x00upload " + os.environ["ESPALIER_BUILD_ID"].encode() + b"\n")
            answer = line.readline()
    except serial.SerialException as error:
        say(error)
        return 1
    say("Done" if answer == b"done\n" else f"No device found on {os.path.basename(port)}")
    return 0 if answer == b"done\n" else 1


def touch(folder: Path, port: str, before: dict[str, str]) -> str:
    """Open a port at 1200 baud and close it; the port that appears then, or the same one."""
    say(f"Forcing reset using 1200bps open/close on port {port}")
    try:
        serial.Serial(port, baudrate=1200).close()
    except serial.SerialException as error:
        say(error)
    say("Waiting for the new upload port...")
    end = time.monotonic() + TOUCH_S
    while time.monotonic() < end:
        new = [facts["path"] for facts in plugged_in(folder) if facts["path"] not in before]
        if new:
            return new[0]
        time.sleep(0.02)
    here = [facts for facts in plugged_in(folder) if facts["path"] == port]
    return port if here and here[0]["usb_id"] in LOADER_IDS else ""
