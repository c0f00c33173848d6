"""Figures of published models, to hold a run against.

Sizes, MACs, arenas and instructions were re-measured from the published .tflite files with
TensorFlow Lite Micro and CMSIS-NN (main branches of 2026, GCC 12.2 -O3, an emulated Cortex-M4F:
QEMU mps2-an386; instructions per inference are exact and repeatable, the arena is that of the
32-bit target). Accuracies are quoted, and say what they are.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = (
    "Published .tflite files, re-measured with TensorFlow Lite Micro and CMSIS-NN (main branches "
    "of 2026, GCC 12.2 -O3) on an emulated Cortex-M4F. Accuracies: the Wake Vision challenge's own "
    "row, and the quality targets of MLPerf Tiny, which are no measurements. Every model has its "
    "own task and data: accuracies on other data than this run's show where a model stands, not "
    "which is better."
)

PUBLISHED, TARGET = "published accuracy", "quality target"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedModel:
    """A model of others.

    Attributes:
        name, task: for people.
        tflite_bytes: of the file.
        macs: multiply-accumulates of one inference.
        arena_bytes: of TFLM with CMSIS-NN.
        instructions: of one inference of TFLM with CMSIS-NN.
        accuracy: share in [0, 1]; None without one.
        accuracy_kind: PUBLISHED or TARGET; "" without one.
    """

    name: str
    task: str
    tflite_bytes: int
    macs: int
    arena_bytes: int
    instructions: int
    accuracy: float | None = None
    accuracy_kind: str = ""


PUBLISHED_MODELS = (
    PublishedModel(
        name="Wake Vision challenge, 4th place",
        task="person detection, 80 × 80",
        tflite_bytes=131_400,
        macs=3_818_358,
        arena_bytes=126_852,
        instructions=20_299_400,
        accuracy=0.75,
        accuracy_kind=PUBLISHED,
    ),
    PublishedModel(
        name="Wake Vision quality k_8_c_5",
        task="person detection, 50 × 50",
        tflite_bytes=45_632,
        macs=2_086_329,
        arena_bytes=31_476,
        instructions=7_602_960,
    ),
    PublishedModel(
        name="MLPerf Tiny VWW, MobileNetV1 0.25",
        task="person detection, 96 × 96",
        tflite_bytes=333_288,
        macs=7_489_664,
        arena_bytes=100_708,
        instructions=24_720_360,
        accuracy=0.80,
        accuracy_kind=TARGET,
    ),
    PublishedModel(
        name="MLPerf Tiny IC, ResNet-8",
        task="CIFAR-10, 32 × 32",
        tflite_bytes=98_496,
        macs=12_501_632,
        arena_bytes=54_996,
        instructions=29_873_760,
        accuracy=0.85,
        accuracy_kind=TARGET,
    ),
    PublishedModel(
        name="MLPerf Tiny KWS, DS-CNN",
        task="keywords, 49 × 10",
        tflite_bytes=53_936,
        macs=2_656_768,
        arena_bytes=22_820,
        instructions=7_845_280,
        accuracy=0.90,
        accuracy_kind=TARGET,
    ),
    PublishedModel(
        name="MLPerf Tiny AD, autoencoder",
        task="machine sounds, 640 values",
        tflite_bytes=276_976,
        macs=264_192,
        arena_bytes=2_580,
        instructions=582_320,
    ),
    PublishedModel(
        name="TFLM micro_speech",
        task="keywords",
        tflite_bytes=18_800,
        macs=336_000,
        arena_bytes=6_836,
        instructions=1_494_960,
    ),
)
