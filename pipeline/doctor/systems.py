"""The command that installs a tool, as this operating system spells it."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping
from pathlib import Path

# By tool and by the family of the system.
_COMMANDS: Mapping[str, Mapping[str, str]] = {
    "arm-none-eabi-gcc": {
        "debian": "sudo apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
        "fedora": "sudo dnf install arm-none-eabi-gcc-cs arm-none-eabi-newlib",
        "arch": "sudo pacman -S arm-none-eabi-gcc arm-none-eabi-newlib",
        "macos": "brew install --cask gcc-arm-embedded",
    },
    "qemu-system-arm": {
        "debian": "sudo apt-get install qemu-system-arm",
        "fedora": "sudo dnf install qemu-system-arm",
        "arch": "sudo pacman -S qemu-system-arm",
        "macos": "brew install qemu",
    },
    "cc": {
        "debian": "sudo apt-get install gcc",
        "fedora": "sudo dnf install gcc",
        "arch": "sudo pacman -S gcc",
        "macos": "xcode-select --install",
    },
    "python3-venv": {
        "debian": "sudo apt-get install python3-venv",
        "fedora": "sudo dnf install python3",
        "arch": "sudo pacman -S python",
        "macos": "brew install python",
    },
}
_OS_RELEASE = Path("/etc/os-release")


def system_family() -> str:
    """debian, fedora, arch or macos; "" for any other."""
    if platform.system() == "Darwin":
        return "macos"
    facts: dict[str, str] = {}
    try:
        lines = _OS_RELEASE.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition("=")
        facts[key] = " ".join(shlex.split(value, comments=True)) if value else ""
    kin = [facts.get("ID", ""), *facts.get("ID_LIKE", "").split()]
    kin += ["fedora"] if "rhel" in kin else []
    return next((name for name in kin if name in ("debian", "fedora", "arch")), "")


def install_command(tool: str) -> str:
    """How to get a tool here; on an unknown system, what to look for."""
    command = _COMMANDS[tool].get(system_family())
    return command or f"install {tool} with your system's package manager, and put it on PATH"
