import numpy as np
import pytest

from pipeline.quantize import compare, measure_accuracy, quantize_model, quantize_samples
from pipeline.samples import to_model_input
from tests.quantize.networks import spread_model


def test_accuracy_plain_balanced_and_confused() -> None:
    y = np.array([0, 0, 0, 0, 1, 1])
    predicted = np.array([0, 0, 0, 1, 1, 0])
    accuracy = measure_accuracy(predicted, y, 3)
    assert accuracy.samples == 6
    assert accuracy.plain == pytest.approx(4 / 6)
    assert accuracy.balanced == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert accuracy.confusion == ((3, 1, 0), (1, 1, 0), (0, 0, 0))


def test_indices_out_of_range_are_a_bug() -> None:
    with pytest.raises(ValueError, match="below 2"):
        measure_accuracy(np.array([2]), np.array([0]), 2)


def test_float_and_int8_are_compared_on_the_same_samples() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    y = np.arange(24) % 3
    model = spread_model("resnet8", (32, 32, 3), 3)
    tflite = quantize_model(model, to_model_input(x))
    steps: list[tuple[int, int]] = []
    comparison = compare(
        model,
        tflite,
        x,
        y,
        ids=[f"s{index}" for index in range(24)],
        class_names=("a", "b", "c"),
        num_worst=5,
        on_progress=lambda done, total: steps.append((done, total)),
    )
    assert steps[-1] == (24, 24)
    assert comparison.float_accuracy.samples == comparison.int8_accuracy.samples == 24
    assert len(comparison.worst) == 5
    assert comparison.mean_moved < 0.1
    moved = [worst.moved for worst in comparison.worst if worst.float_class == worst.int8_class]
    assert moved == sorted(moved, reverse=True)
    flips = [worst.float_class != worst.int8_class for worst in comparison.worst]
    assert flips == sorted(flips, reverse=True)
    drop = comparison.float_accuracy.balanced - comparison.int8_accuracy.balanced
    assert comparison.balanced_drop == pytest.approx(drop)


def test_pixels_become_bits_and_floats_are_quantized() -> None:
    x = np.array([[0, 128, 255, 7] * 4], np.uint8)
    model = spread_model("autoencoder", (16,), 0)
    tflite = quantize_model(model, to_model_input(x))
    bits = quantize_samples(tflite, x)
    assert bits.tolist() == [[-128, 0, 127, -121] * 4]
    assert (quantize_samples(tflite, to_model_input(x)) == bits).all()
    assert (quantize_samples(tflite, bits) == bits).all()
