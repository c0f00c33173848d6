"""Compilers, emulators, and what PlatformIO downloads for boards."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.build.environments import registry_platform
from pipeline.build.presence import (
    Gcc,
    find_gcc,
    platform_version,
    registry_error,
    zig_version,
)
from pipeline.device.board import board_names, load_board
from pipeline.device.presence import Qemu, find_qemu, unicorn_version
from pipeline.device.renode import find_renode
from pipeline.doctor.findings import Finding, fine, lacking
from pipeline.doctor.systems import install_command

_SETUP = "make setup"
_GCC, _QEMU = "arm-none-eabi-gcc", "qemu-system-arm"


def examine_compilers() -> Iterator[Finding]:
    """GCC for the emulated boards, or Zig in its place."""
    topic = "compilers"
    gcc, zig = find_gcc(_GCC), zig_version()
    fault = _gcc_fault(gcc)
    if gcc is not None and not fault:
        yield fine(topic, _GCC, f"{gcc.version}, {gcc.path}")
    else:
        yield lacking(
            topic,
            _GCC,
            fault,
            fix=install_command(_GCC),
            without="Zig compiles for all emulated boards, but not engine tflm"
            if gcc is None
            else "auto takes the GCC on PATH all the same: give --toolchain zig, or in a run.toml "
            'toolchain = "zig"',
            needed=gcc is not None or zig is None,
        )
    if zig is not None:
        yield fine(topic, "Zig", zig)
    else:
        without = "GCC compiles for all emulated boards"
        yield lacking(
            topic, "Zig", "not installed", fix=_SETUP, without=without, needed=bool(fault)
        )
    host = find_gcc("cc")
    if host is not None:
        yield fine(topic, "cc", f"{host.version or 'no version'}, {host.path}")
    else:
        without = "board host, this computer, is built with Zig"
        yield lacking(topic, "cc", "not on PATH", fix=install_command("cc"), without=without)


def _gcc_fault(gcc: Gcc | None) -> str:
    if gcc is None:
        return "not on PATH"
    if not gcc.version:
        return f"does not answer: {gcc.path}"
    return "" if gcc.has_libc else f"{gcc.version}, but without newlib, its C library"


def examine_emulators() -> Iterator[Finding]:
    """What runs firmware here."""
    topic = "emulators"
    qemu, unicorn = find_qemu(), unicorn_version()
    fault = _qemu_fault(qemu)
    if qemu is not None and not fault:
        yield fine(topic, "QEMU", f"{qemu.version}, {qemu.path}")
    else:
        yield lacking(
            topic,
            "QEMU",
            fault,
            fix=install_command(_QEMU),
            without="Unicorn runs all emulated boards"
            if qemu is None
            else "auto takes the QEMU on PATH all the same: give --emulator unicorn, or in a "
            'run.toml emulator = "unicorn"',
            needed=qemu is not None or unicorn is None,
        )
    if unicorn is not None:
        yield fine(topic, "Unicorn", unicorn)
    else:
        without = "QEMU runs mps2_an386; no nrf52840, no estimated cycles"
        yield lacking(
            topic, "Unicorn", "not installed", fix=_SETUP, without=without, needed=bool(fault)
        )
    renode = find_renode()
    if renode is not None:
        yield fine(topic, "Renode", renode)
    else:
        yield lacking(
            topic,
            "Renode",
            "neither on PATH nor in RENODE_HOME",
            fix="unpack its portable archive, and set RENODE_HOME (docs/renode.md)",
            without="QEMU and Unicorn run every board that it would run",
        )


def _qemu_fault(qemu: Qemu | None) -> str:
    if qemu is None:
        return "not on PATH"
    if not qemu.version:
        return f"does not answer: {qemu.path}"
    if qemu.lacks:
        return f"{qemu.version} is too old: it has no machine {', '.join(qemu.lacks)}"
    return ""


def examine_platforms(*, network: bool) -> Iterator[Finding]:
    """What PlatformIO has of its registry for boards whose compiler it downloads.

    Args:
        network: also try to reach the registry.
    """
    topic = "PlatformIO"
    boards: dict[str, list[str]] = {}
    for name in board_names():
        platform = registry_platform(load_board(name), "aot")
        if platform is not None:
            boards.setdefault(platform, []).append(name)
    for platform, names in boards.items():
        kind, _, wanted = (part.strip() for part in platform.partition("@"))
        title = f"{kind}, of {' and '.join(names)}"
        version = platform_version(kind)
        if version is not None and wanted in ("", version):
            yield fine(topic, title, version)
        else:
            yield lacking(
                topic,
                title,
                f"{version or 'not downloaded'}; {wanted} is what the boards build with",
                fix=f"espalier build MODEL.tflite --board {names[0]}",
                without="the first build or flash downloads it; emulated boards work",
            )
    if not network:
        return
    reason = registry_error()
    if not reason:
        yield fine(topic, "registry", "answers")
    else:
        yield lacking(
            topic,
            "registry",
            reason,
            fix="export HTTPS_PROXY=http://PROXY:PORT, or use another network",
            without="emulated boards, and boards whose platform is downloaded, work",
        )
