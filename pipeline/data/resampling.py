"""Pillow's resampling as tables of whole numbers, for devices that have neither Pillow nor time.

Source: `precompute_coeffs` and `normalize_coeffs_8bpc` in Pillow's src/libImaging/Resample.c.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.data.frames import decode_frame, frame_to_input
from pipeline.data.resize import FILL, crop_box, fitted
from pipeline.errors import MismatchError, UnsupportedModelError
from pipeline.records import Array, CameraFormat, FramePlan, Graph, Taps

# A weight of 1 is 2**22: 8 bits of a pixel and as many of a weight as 32 bits take.
PRECISION_BITS = 22


def plan_frame(camera: CameraFormat, graph: Graph) -> FramePlan:
    """How a camera's frame becomes the input of a model, proved on two frames.

    Args:
        camera: the frames.
        graph: the model; one input, int8 or uint8 of [1, height, width, 1 or 3].
    Raises:
        UnsupportedModelError: the model takes no picture.
        MismatchError: this Pillow resamples otherwise.
    """
    tensors = [graph.tensors[index] for index in graph.inputs]
    received = ", ".join(f"{tensor.dtype}{list(tensor.shape)}" for tensor in tensors)
    shape = tensors[0].shape[-3:]
    whole = len(tensors) == 1 and tensors[0].shape == (1, *shape) and len(shape) == 3
    if not whole or shape[2] not in (1, 3) or tensors[0].dtype not in ("int8", "uint8"):
        raise UnsupportedModelError(
            f"{graph.name}: a camera is for models of one int8 or uint8 input of 1 x height x "
            f"width x 1 or 3. Received: {received}. Leave out the camera, and write the inputs "
            "yourself."
        )
    plan = make_frame_plan(camera, (shape[0], shape[1], shape[2]), tensors[0].dtype)
    _prove(plan)
    return plan


def make_frame_plan(camera: CameraFormat, shape: tuple[int, int, int], dtype: str) -> FramePlan:
    """The same for an input of `shape` [height, width, channels], without the proof."""
    source, size = (camera.height, camera.width), shape[:2]
    if camera.fit == "crop":
        inner, top, left = size, 0, 0
        box = crop_box(source, size)
    else:
        inner, top, left = fitted(source, size)
        box = (0.0, 0.0, float(camera.width), float(camera.height))
    return FramePlan(
        camera=camera,
        height=shape[0],
        width=shape[1],
        channels=shape[2],
        dtype=dtype,
        columns=bilinear_taps(camera.width, box[0], box[2], inner[1]),
        rows=bilinear_taps(camera.height, box[1], box[3], inner[0]),
        left=left,
        top=top,
    )


def bilinear_taps(sources: int, start: float, end: float, outputs: int) -> tuple[Taps, ...]:
    """The weights of Pillow's antialiased bilinear filter along one axis.

    Args:
        sources: how many there are.
        start, end: of the part that is resampled; Pillow takes both as float32.
        outputs: how many are made of it.
    """
    first_edge, last_edge = np.float32(start), np.float32(end)
    scale = float(last_edge - first_edge) / outputs
    # The filter is as wide as the distance of outputs where that is larger than a source's.
    support = max(scale, 1.0)
    taps = []
    for output in range(outputs):
        center = float(first_edge) + (output + 0.5) * scale
        low = max(int(center - support + 0.5), 0)
        high = min(int(center + support + 0.5), sources)
        real = [
            max(1.0 - abs((source - center + 0.5) * (1.0 / support)), 0.0)
            for source in range(low, high)
        ]
        total = _sum(real)
        weights = [int(0.5 + weight / total * (1 << PRECISION_BITS)) for weight in real]
        taps.append(_trimmed(low, weights))
    return tuple(taps)


def _sum(values: list[float]) -> float:
    """One after the other, as Pillow does; `sum` is more exact from Python 3.12 on."""
    total = 0.0
    for value in values:
        total += value
    return total


def _trimmed(first: int, weights: list[int]) -> Taps:
    """Without the zeros on either side."""
    used = [place for place, weight in enumerate(weights) if weight]
    return Taps(first=first + used[0], weights=tuple(weights[used[0] : used[-1] + 1]))


def resample(data: bytes, plan: FramePlan) -> Array:
    """What the device computes, in NumPy: a frame to the input of a model.

    Args:
        data: the frame.
        plan: of its camera.
    Returns:
        [height, width, channels] of the plan's dtype.
    """
    picture = decode_frame(data, plan.camera)
    if picture.shape[2] != plan.planes:
        picture = _luma(picture)
    columns = _weighted(picture.swapaxes(0, 1), plan.columns).swapaxes(0, 1)
    pixels = np.full((plan.height, plan.width, plan.channels), FILL, np.uint8)
    bottom, right = plan.top + len(plan.rows), plan.left + len(plan.columns)
    pixels[plan.top : bottom, plan.left : right] = _weighted(columns, plan.rows)
    return pixels if plan.dtype == "uint8" else (pixels ^ 0x80).view(np.int8)


def _luma(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """ITU-R 601 with 16 bits, as Pillow's "L" (L24 in its src/libImaging/Convert.c)."""
    weighted = picture.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
    return ((weighted + 0x8000) >> 16).astype(np.uint8)[..., None]


def _weighted(values: npt.NDArray[np.uint8], taps: tuple[Taps, ...]) -> npt.NDArray[np.uint8]:
    """The sums of `taps` over the first axis, rounded half up."""
    half = 1 << (PRECISION_BITS - 1)
    sums = [
        np.tensordot(
            np.array(tap.weights),
            values[tap.first : tap.first + len(tap.weights)].astype(np.int64),
            axes=1,
        )
        for tap in taps
    ]
    return ((np.stack(sums) + half) >> PRECISION_BITS).astype(np.uint8)


def _prove(plan: FramePlan) -> None:
    """Compare the tables with Pillow itself, on noise and on noise of black and white.

    Raises:
        MismatchError: they differ in any byte.
    """
    shape = (plan.height, plan.width, plan.channels)
    noise = np.frombuffer(np.random.default_rng(0).bytes(plan.camera.frame_bytes), np.uint8)
    for values in (noise, np.where(noise < 128, np.uint8(0), np.uint8(255))):
        data = values.tobytes()
        expected = frame_to_input(data, plan.camera, shape, plan.dtype)
        wrong = int((resample(data, plan) != expected).sum())
        if wrong:
            raise MismatchError(
                f"camera: the generated tables must resample as the installed Pillow does. "
                f"Received: {wrong:,} of {expected.size:,} bytes that differ. Install the Pillow "
                "that constraints.txt pins."
            )
