"""MLPerf Tiny's benchmark conversation, as its public runner holds it, on every device."""

from __future__ import annotations

import csv
import io
import re
import tarfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.device.base import Device
from pipeline.device.board import load_board
from pipeline.device.protocol import Client, Timeouts
from pipeline.device.select import make_device
from pipeline.device.transcript import parse_transcript
from pipeline.records import Array, DeployPlan, Tensor
from pipeline.report.progress import Reporter
from pipeline.stages import Deployment, Request, deploy
from pipeline.stages import Target as DeployTarget
from pipeline.stages.benchmarks import benchmark_name
from tests.device.conftest import Subject
from tests.device.conversation import hold
from tests.mlperf_runner import CHUNK_BYTES, Runner
from tests.shared import shared_path
from tests.small_models import residual_network
from tests.targets import FAKE, PTY, SERIAL, Target

DATA = Path(__file__).parent / "data"
# Of each model: the benchmark's name, its input's bytes, and whether the runner sends pixels.
MODELS = {
    "vww_96_int8": ("vww01", 96 * 96 * 3, True),
    "kws_ref_model": ("kws01", 490, False),
    "resnet8_int8": ("ic01", 32 * 32 * 3, True),
    "ad01_int8": ("ad01", 640, False),
}


@pytest.fixture(scope="session")
def deployed(
    target: Target, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path, str], Deployment]:
    """Deploys a model onto the target's board, once; every output is the reference's."""
    made: dict[Path, Deployment] = {}

    def run(path: Path, inputs: str) -> Deployment:
        if target.kind in (FAKE, PTY, SERIAL):
            pytest.skip(f"{target.name}: this test builds and runs its own firmware")
        if path not in made:
            request = Request(
                model=path,
                inputs=inputs,
                work=tmp_path_factory.mktemp(path.stem) / "work",
                command="test",
            )
            onto = DeployTarget(board=load_board(target.board), emulator=target.kind)
            made[path] = deploy(request, onto, Reporter(quiet=True))
            assert made[path].measurement.mismatches == 0
        return made[path]

    return run


def test_the_conversation_on_whatever_is_there(device: Device, subject: Subject) -> None:
    runner = Runner(device)
    # A board that is up already says nothing when its port is opened.
    Client(device, Timeouts(banner_s=0.5)).connect()
    assert runner.name() == "espalier"
    model = runner.model()
    before = runner.timestamp_us()
    if model not in ("vww01", "ic01"):
        pieces = runner.load(subject.inputs)
        assert pieces == -(-len(subject.inputs) // CHUNK_BYTES)
        five = [runner.infer(10, 1) for _ in range(5)]
        assert len({inference.result_text for inference in five}) == 1
        assert all(inference.elapsed_us >= 0 for inference in five)
        assert runner.infer(1, 0).result_text == five[0].result_text
    assert runner.timestamp_us() >= before


def exact_text(values: Array, tensor: Tensor) -> str:
    """Real values of raw outputs as `results` prints them: three decimals, rounded half away."""
    assert tensor.quant is not None
    scale, zero = Fraction(float(np.float32(tensor.quant.scale[0]))), tensor.quant.zero_point[0]
    texts = []
    for value in values.reshape(-1).tolist():
        real = scale * (value - zero)
        thousandths = int(abs(real) * 1000 + Fraction(1, 2))
        sign = "-" if real < 0 and thousandths else ""
        texts.append(f"{sign}{thousandths // 1000}.{thousandths % 1000:03}")
    return ",".join(texts)


def first_output(plan: DeployPlan) -> Tensor:
    return plan.graph.tensors[plan.graph.outputs[0]]


def as_runner_sends(inputs: Array, pixels: bool) -> bytes:
    """An input's bytes; pixels of an int8 tensor are 128 more."""
    return (inputs.view(np.uint8) ^ 0x80).tobytes() if pixels else inputs.tobytes()


def open_device(deployment: Deployment, target: Target) -> Device:
    return make_device(target.kind, load_board(target.board), deployment.firmware)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_accuracy_mode_gives_what_run_gives(
    name: str, target: Target, deployed: Callable[[Path, str], Deployment]
) -> None:
    benchmark, size, pixels = MODELS[name]
    deployment = deployed(shared_path(f"models/{name}.tflite"), "random:5:2")
    (x,), (y,) = deployment.inputs.x, deployment.measurement.outputs
    with open_device(deployment, target) as device:
        device.count_instructions(False)
        runner = Runner(device)
        runner.wait()
        assert runner.model() == benchmark
        for inputs, outputs in zip(x, y, strict=True):
            data = as_runner_sends(inputs, pixels)
            assert len(data) == size
            assert runner.load(data) == -(-size // CHUNK_BYTES)
            inference = runner.infer(1, 0)
            assert inference.result_text == exact_text(outputs, first_output(deployment.plan))


@pytest.mark.slow
def test_keywords_are_recognised_in_accuracy_mode(
    target: Target, deployed: Callable[[Path, str], Deployment]
) -> None:
    model = shared_path("models/kws_ref_model.tflite")
    files = keyword_files(12)
    deployment = deployed(model, "random:5:2")
    with open_device(deployment, target) as device:
        device.count_instructions(False)
        runner = Runner(device)
        runner.wait()
        right = 0
        for data, label in files:
            runner.load(data)
            results = runner.infer(1, 0).results
            assert len(results) == 12
            right += int(np.argmax(results)) == label
    # TFLM gets 901 of the whole thousand right.
    assert right >= 9


def keyword_files(count: int) -> list[tuple[bytes, int]]:
    """The first files of MLPerf Tiny's keyword set with their classes."""
    with tarfile.open(shared_path("data/mlperf_tiny_kws01.tar.gz")) as archive:
        labels = archive.extractfile("kws01/y_labels.csv")
        assert labels is not None
        rows = list(csv.reader(io.TextIOWrapper(labels, "ascii")))[:count]
        files = []
        for name, _, label in rows:
            content = archive.extractfile(f"kws01/{name.strip()}")
            assert content is not None
            files.append((content.read(), int(label)))
    return files


def normalised(text: bytes) -> bytes:
    """A reply without what differs between devices: times."""
    return re.sub(rb"m-lap-us-\d+", b"m-lap-us-<t>", text)


def test_a_recorded_conversation_is_the_same_everywhere(
    target: Target, deployed: Callable[[Path, str], Deployment], tmp_path: Path
) -> None:
    path = tmp_path / "residual.tflite"
    path.write_bytes(residual_network())
    deployment = deployed(path, "random:5:2")
    transcript = (DATA / "mlperf_tiny_residual.txt").read_text().splitlines()
    with open_device(deployment, target) as device:
        hold(device, parse_transcript(transcript), normalised)


@pytest.mark.parametrize(("model", "name"), [(key, MODELS[key][0]) for key in MODELS])
def test_reference_models_go_by_their_benchmarks(model: str, name: str) -> None:
    assert benchmark_name(model) == name


def test_other_models_keep_their_names() -> None:
    assert benchmark_name("person") == "person"
