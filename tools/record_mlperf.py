"""Record MLPerf Tiny's benchmark conversation with a small model on the host.

Writes tests/device/data/mlperf_tiny_residual.txt. Run it after a change of the protocol that is
meant, and look at the difference:

    PYTHONPATH=. python tools/record_mlperf.py
"""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

import numpy as np

from pipeline.device.board import load_board
from pipeline.device.select import make_device
from pipeline.device.transcript import RecordingDevice, format_piece, parse_transcript
from pipeline.report.progress import Reporter
from pipeline.stages import Request, Target, deploy
from tests.mlperf_runner import Runner
from tests.small_models import residual_network

TRANSCRIPT = (
    Path(__file__).resolve().parent.parent
    / "tests"
    / "device"
    / "data"
    / "mlperf_tiny_residual.txt"
)
_HEAD = """\
# MLPerf Tiny's benchmark conversation (name, profile, timestamp, db load in pieces of 31 bytes,
# infer 10 1, accuracy mode, results) with residual_network() of tests/small_models.py and engine
# aot. Recorded by tools/record_mlperf.py on the board host. Times are left out: <t> stands for any
# number of microseconds.
"""


def main() -> None:
    """Build, converse, write."""
    board = load_board("host")
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "residual.tflite"
        model.write_bytes(residual_network())
        request = Request(
            model=model, inputs="random:5:2", work=Path(scratch) / "work", command="record"
        )
        deployment = deploy(request, Target(board=board), Reporter())
        file = io.StringIO()
        with RecordingDevice(make_device("host", board, deployment.firmware), file) as device:
            runner = Runner(device)
            runner.wait()
            runner.name()
            runner.model()
            runner.timestamp_us()
            (x,) = deployment.inputs.x
            runner.load(np.ascontiguousarray(x[0]).tobytes())
            runner.infer(10, 1)
            runner.load(np.ascontiguousarray(x[1]).tobytes())
            runner.infer(1, 0)
            runner.command("results")
    TRANSCRIPT.write_text(_HEAD + _joined(file.getvalue()), encoding="ascii")


def _joined(transcript: str) -> str:
    """The transcript with each reply in one piece, and without times."""
    pieces: list[tuple[str, bytes]] = []
    for direction, data in parse_transcript(transcript.splitlines()):
        if pieces and pieces[-1][0] == direction == "<":
            data = pieces.pop()[1] + data
        pieces.append((direction, data))
    text = "".join(format_piece(direction, data) for direction, data in pieces)
    return re.sub(r"m-lap-us-\d+", "m-lap-us-<t>", text)


if __name__ == "__main__":
    main()
