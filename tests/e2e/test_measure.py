"""`espalier measure --board` on the real firmware: this computer is the board, on a pty."""

from __future__ import annotations

import json
import os
import subprocess
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.device.board import load_board
from pipeline.report.progress import Reporter
from pipeline.stages import Deployment, Request, Target, deploy
from tests.e2e import models
from tests.shared import shared_path

pytest.importorskip("pty", reason="pseudo-terminals are a feature of POSIX")
pytestmark = pytest.mark.slow

MODELS: dict[str, Callable[[], bytes]] = {
    "good": models.good,
    "between floats": models.between_floats,
    # Most of its channels are constant: which plan the firmware has is told by its arena.
    "vww_96_int8": lambda: shared_path("models/vww_96_int8.tflite").read_bytes(),
}


@contextmanager
def on_a_port(program: Path) -> Iterator[str]:
    """A firmware for this computer, on a serial port."""
    board, terminal = os.openpty()
    tty.setraw(terminal)
    with subprocess.Popen([program], stdin=board, stdout=board) as process:
        try:
            yield os.ttyname(terminal)
        finally:
            process.kill()
            for descriptor in (board, terminal):
                os.close(descriptor)


@pytest.mark.parametrize(
    ("name", "keep"),
    [("good", False), ("between floats", False), ("vww_96_int8", False), ("vww_96_int8", True)],
)
def test_the_firmware_is_measured_and_its_layers_are_known(
    name: str, keep: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(MODELS[name]())
    deployment = deployed(path, tmp_path, keep)
    arguments = ["measure", str(path), "--board", "host", "--timed", "3", "--warmup", "1"]
    with on_a_port(deployment.firmware.elf_path) as port, pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--port", port, "--inputs", "random:3:4", "--json", "-"])
    captured = capsys.readouterr()
    assert caught.value.code == 0, captured.err
    report = json.loads(captured.out)
    assert report["mismatches"] == 0
    assert (report["clock"], report["latency_us"]) == ("host", None)
    assert (report["inferences"], report["host_ticks_per_inference"]["count"]) == (4, 3)
    assert report["build_id"] == deployment.firmware.build_id
    ops = deployment.plan.graph.ops
    assert [layer["name"] for layer in report["layers"]] == [op.name for op in ops]
    assert sum(layer["host_ticks"] for layer in report["layers"]) > 0
    check = report["clock_check"]
    # It is the same clock.
    assert abs(check["drift_percent"]) <= check["uncertainty_percent"]
    assert report["ram"]["arena_bytes"] == deployment.plan.arena_bytes


def deployed(path: Path, folder: Path, keep: bool) -> Deployment:
    target = Target(board=load_board("host"), keep_constant_channels=keep)
    request = Request(model=path, inputs="random:1:2", work=folder / "work", command="test")
    return deploy(request, target, Reporter(quiet=True))
