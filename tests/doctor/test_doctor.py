"""The doctor on computers that lack one thing or another."""

from __future__ import annotations

import grp
import importlib.metadata
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.device import answer as answer_module
from pipeline.device import presence as device_presence
from pipeline.device.ports import Port
from pipeline.doctor import Finding, State, examine, packages, places, ports, systems, tools
from pipeline.paths import udev_rules_path
from tests.shared import REPOSITORY
from tests.simulated_board import NANO_APPLICATION


def found(name: str, *, network: bool = False) -> Finding:
    """What the doctor says of one thing."""
    return next(finding for finding in examine(network=network) if finding.name == name)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """A PATH with nothing on it, and a way to put shell scripts there."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("RENODE_HOME", raising=False)

    def add(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return add


GCC = 'case "$1" in -dumpfullversion) echo 13.2.1;; *) echo /opt/lib/libc.a;; esac'
QEMU = 'case "$1" in --version) echo "QEMU emulator version 9.1.0";; *) echo "mps2-an386  x";; esac'


def test_a_whole_computer_is_ready(programs: Callable[[str, str], None]) -> None:
    programs("arm-none-eabi-gcc", GCC)
    programs("qemu-system-arm", QEMU)
    findings = examine()
    assert [f.name for f in findings if f.state is State.MISSING] == []
    by_name = {finding.name: finding for finding in findings}
    assert by_name["arm-none-eabi-gcc"].found.startswith("13.2.1, ")
    assert by_name["QEMU"].found.startswith("9.1.0, ")


@pytest.mark.usefixtures("programs")
def test_without_programs_zig_and_unicorn_are_enough() -> None:
    for name, other in (("arm-none-eabi-gcc", "Zig"), ("QEMU", "Unicorn"), ("Renode", "Unicorn")):
        finding = found(name)
        assert finding.state is State.GAP
        assert other in finding.without
        assert finding.fix


@pytest.mark.usefixtures("programs")
def test_without_any_compiler_or_emulator_it_is_status_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tools, "zig_version", lambda: None)
    monkeypatch.setattr(tools, "unicorn_version", lambda: None)
    with pytest.raises(SystemExit) as caught:
        cli.main(["doctor", "--json", "-"])
    assert caught.value.code == 3
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["ready"] is False
    missing = {f["name"] for f in report["findings"] if f["state"] == "missing"}
    assert missing == {"arm-none-eabi-gcc", "Zig", "QEMU", "Unicorn"}
    assert "Zig" in captured.err


BROKEN = {
    "GCC does not start": ("arm-none-eabi-gcc", "exit 1", "arm-none-eabi-gcc", "does not answer"),
    "GCC hangs": ("arm-none-eabi-gcc", "exec /bin/sleep 60", "arm-none-eabi-gcc", "does not"),
    "GCC without newlib": (
        "arm-none-eabi-gcc",
        'case "$1" in -dumpfullversion) echo 13.2.1;; *) echo libc.a;; esac',
        "arm-none-eabi-gcc",
        "13.2.1, but without newlib",
    ),
    "QEMU does not start": ("qemu-system-arm", "exit 1", "QEMU", "does not answer"),
    "QEMU is too old": (
        "qemu-system-arm",
        'echo "QEMU emulator version 4.2.1"',
        "QEMU",
        "4.2.1 is too old: it has no machine mps2-an386",
    ),
}


@pytest.mark.parametrize(("program", "script", "name", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_program_on_path_is_worse_than_none(
    program: str,
    script: str,
    name: str,
    words: str,
    programs: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answer_module, "_ANSWER_S", 0.3)
    programs(program, script)
    finding = found(name)
    assert finding.state is State.MISSING
    assert words in finding.found
    assert "auto takes" in finding.without


def test_the_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^\w.-]", text)[0] for text in project["dependencies"]}
    assert set(packages.required_packages()) == names
    optional = str(project["optional-dependencies"])
    assert all(name in optional for name in packages.OPTIONAL)


def without(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    """Changes what pip would say is installed; None for not at all."""
    real = importlib.metadata.version

    def version(name: str) -> str:
        told = versions.get(name.replace("-", "_"), "")
        if told is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return told or real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_missing_packages_are_named_in_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, scons=None, pillow=None)
    finding = found("required")
    assert finding.state is State.MISSING
    assert finding.found == "not installed: pillow, scons"
    assert finding.fix.endswith("-m pip install pillow scons")


def test_an_optional_package_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, tensorflow_model_optimization=None)
    finding = found("tensorflow-model-optimization")
    assert finding.state is State.GAP
    assert "quantization-aware training" in finding.without
    assert "--no-deps tensorflow-model-optimization" in finding.fix


def test_keras_2_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, keras="2.15.0")
    finding = found("keras")
    assert finding.state is State.MISSING
    assert "'keras>=3'" in finding.fix


@pytest.mark.parametrize(
    ("variable", "value"), [("TF_USE_LEGACY_KERAS", "1"), ("KERAS_BACKEND", "jax")]
)
def test_variables_that_change_keras(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    finding = found(variable)
    assert (finding.state, finding.fix) == (State.MISSING, f"unset {variable}")


def test_a_file_that_changes_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    assert "backend torch" in found(str(tmp_path / "keras.json")).found
    (tmp_path / "keras.json").write_text('{"backend": "tensorflow"}')
    assert all(finding.topic != "keras" for finding in examine())


def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "OLDEST_PYTHON", (3, 99))
    finding = found("Python")
    assert finding.state is State.MISSING
    assert "PYTHON=/path/to/python3.99" in finding.fix


def test_platforms_that_are_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path))
    name = "nordicnrf52, of nano33"
    assert found(name).state is State.GAP
    assert found(name).fix == "espalier build MODEL.tflite --board nano33"
    folder = tmp_path / "platforms" / "nordicnrf52@10.11.0"
    folder.mkdir(parents=True)
    (folder / "platform.json").write_text("half a downl")
    assert found(name).state is State.GAP
    facts = {"name": "nordicnrf52", "version": "10.11.0"}
    (folder / "platform.json").write_text(json.dumps(facts))
    assert (found(name).state, found(name).found) == (State.OK, "10.11.0")
    (folder / "platform.json").write_text(json.dumps({**facts, "version": "9.0.0"}))
    assert "9.0.0; 10.11.0 is what the boards build with" in found(name).found


def test_the_registry_is_only_asked_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: object, **options: object) -> None:
        raise AssertionError("no network without --network")

    monkeypatch.setattr(socket, "create_connection", forbidden)
    assert all(finding.name != "registry" for finding in examine())


def test_a_registry_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", address)
        assert found("registry", network=True).state is State.OK
    finding = found("registry", network=True)
    assert finding.state is State.GAP
    assert "HTTPS_PROXY" in finding.fix


Group = namedtuple("Group", "gr_gid")


@pytest.mark.parametrize(
    ("rules", "belongs", "states"),
    [
        (True, True, (State.OK, State.OK)),
        (True, False, (State.OK, State.OK)),
        (False, True, (State.GAP, State.OK)),
        (False, False, (State.GAP, State.GAP)),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="Linux' rules and groups")
def test_rules_and_groups(
    rules: bool,
    belongs: bool,
    states: tuple[State, State],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_presence, "_RULE_FOLDERS", (str(tmp_path),))
    if rules:
        shutil.copy(REPOSITORY / "tools" / "60-espalier.rules", tmp_path)
    monkeypatch.setattr(grp, "getgrnam", lambda name: Group(4242))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [1000, *([4242] if belongs else [])])
    assert (found("udev rules").state, found("group dialout").state) == states
    if not belongs and not rules:
        assert found("group dialout").fix == "sudo usermod -aG dialout $USER, and log in again"


@pytest.mark.parametrize(
    ("state", "expected", "words"),
    [
        ("free", State.OK, ""),
        ("held by minicom (process 812)", State.GAP, "close that program"),
        ("no permission", State.GAP, f"sudo cp {udev_rules_path()}"),
    ],
)
def test_ports_of_boards(
    state: str, expected: State, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged = (Port(path="/dev/ttyACM7", usb_id=NANO_APPLICATION), Port(path="/dev/ttyS0"))
    monkeypatch.setattr(ports, "list_ports", lambda: plugged)
    monkeypatch.setattr(ports, "port_state", lambda port: state)
    finding = found("/dev/ttyACM7")
    assert (finding.state, finding.found) == (expected, f"nano33: {state}")
    assert words in finding.fix
    assert all(finding.name != "/dev/ttyS0" for finding in examine())


def test_a_home_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null/home")
    finding = found("home")
    assert finding.state is State.GAP
    assert "emulated boards work" in finding.without


Usage = namedtuple("Usage", "free")


@pytest.mark.parametrize(
    ("free", "state"), [(1 << 40, State.OK), (1 << 30, State.GAP), (1 << 20, State.MISSING)]
)
def test_disk_space(free: int, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free))
    assert found("disk space").state is state


def test_without_boards_and_firmware_nothing_can_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline import paths

    monkeypatch.setattr(paths, "_ASSETS", tmp_path)
    finding = found("boards and firmware")
    assert finding.state is State.MISSING
    assert {f.topic for f in examine()}.isdisjoint({"PlatformIO"})


@pytest.mark.parametrize(
    ("release", "command"),
    [
        ("ID=ubuntu\nID_LIKE=debian\n", "sudo apt-get install qemu-system-arm"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "sudo dnf install qemu-system-arm"),
        ("ID=manjaro\nID_LIKE=arch\n", "sudo pacman -S qemu-system-arm"),
        ("ID=plan9\n", "install qemu-system-arm with your system's package manager"),
    ],
)
def test_commands_are_those_of_the_system(
    release: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systems.platform, "system", lambda: "Linux")
    monkeypatch.setattr(systems, "_OS_RELEASE", tmp_path / "os-release")
    (tmp_path / "os-release").write_text(release)
    assert systems.install_command("qemu-system-arm").startswith(command)


def test_every_gap_says_how_it_is_mended_and_what_works_until_then(
    programs: Callable[[str, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    programs("qemu-system-arm", "exit 1")
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    gaps = [finding for finding in examine() if finding.state is not State.OK]
    assert len(gaps) >= 5
    assert all(finding.fix and finding.without for finding in gaps)
    with pytest.raises(SystemExit):
        cli.main(["doctor"])
    table = capsys.readouterr().out
    for finding in gaps:
        # Commands are copied from there: whole, on one line.
        assert finding.fix in table
    assert "Not ready: mend what is MISSING" in table


def test_nothing_that_takes_seconds_is_imported() -> None:
    script = (
        "import sys\nfrom pipeline import cli\n"
        "try: cli.main(['doctor', '--json', '-'])\nexcept SystemExit: pass\n"
        "heavy = ('tensorflow', 'keras', 'unicorn', 'ai_edge_litert', 'optuna', 'matplotlib')\n"
        "sys.exit(' '.join(name for name in heavy if name in sys.modules) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["schema"] == 1


def test_the_place_of_a_run_need_not_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places, "runs_path", lambda: tmp_path / "not" / "yet")
    assert found("runs").state is State.OK
    assert list(tmp_path.iterdir()) == []
