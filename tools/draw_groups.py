"""Draw the channel groups of three small networks for docs/pruning.md.

    .venv/bin/python tools/draw_groups.py docs/images/groups.svg

Groups are those that pruning finds; nothing is drawn by hand.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import keras
import matplotlib as mpl
from keras import layers

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from pipeline.prune.groups import find_groups
from pipeline.prune.records import ChannelGroup, Role
from pipeline.prune.trace import trace_model

# Of Okabe and Ito: told apart by colour-blind people as well.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
WIDTH, HEIGHT, STRIPE = 1.7, 0.5, 0.11


# A model, and where to draw each of its layers.
Placed: TypeAlias = tuple[keras.Model, dict[str, tuple[float, float]]]


def residual() -> Placed:
    """A block of MobileNetV2: the addition ties the stem to the projection."""
    inputs = keras.Input((16, 16, 3), name="image")
    stem = layers.Conv2D(8, 3, padding="same", name="stem")(inputs)
    x = layers.Conv2D(24, 1, name="expand")(stem)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Conv2D(8, 1, name="project")(x)
    x = layers.Add(name="add")([stem, x])
    x = layers.Conv2D(16, 1, name="next")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(2, name="classes")(x))
    chain = ("image", "stem", "expand", "depthwise", "project", "add", "next", "mean", "classes")
    return model, {name: (0.0, float(-row)) for row, name in enumerate(chain)}


def concatenation() -> Placed:
    """Branches stay apart: their reader loses what either of them loses."""
    inputs = keras.Input((16, 16, 3), name="image")
    a = layers.Conv2D(8, 3, padding="same", name="left")(inputs)
    b = layers.Conv2D(8, 1, name="right")(inputs)
    x = layers.Concatenate(name="concat")([a, b])
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2D(16, 1, name="next")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(2, name="classes")(x))
    places = {"image": (0.0, 0.0), "left": (-1.05, -1.0), "right": (1.05, -1.0)}
    chain = ("concat", "norm", "next", "mean", "classes")
    return model, places | {name: (0.0, -2.0 - row) for row, name in enumerate(chain)}


def flattening() -> Placed:
    """Behind Flatten: one channel is many rows of the dense layer."""
    inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", name="first")(inputs)
    x = layers.MaxPooling2D(4, name="pool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(32, name="hidden")(x)
    model = keras.Model(inputs, layers.Dense(2, name="classes")(x))
    chain = ("image", "first", "pool", "flatten", "hidden", "classes")
    return model, {name: (0.0, float(-row)) for row, name in enumerate(chain)}


def stripes(groups: tuple[ChannelGroup, ...], layer: str, role: Role) -> list[tuple[str, int]]:
    """(colour, channels) of the groups that a layer makes, passes on, or reads."""
    found = []
    for place, group in enumerate(groups):
        for member in group.members:
            kernel = member.weight != "bias"
            if member.layer == layer and member.role is role and kernel:
                found.append((COLOURS[place % len(COLOURS)], group.channels))
                break
    return found


def draw(axes: Axes, make: Callable[[], Placed]) -> None:
    """One network with its groups."""
    model, places = make()
    groups = find_groups(trace_model(model), ()).groups
    for layer in model.layers:
        x, y = places[layer.name]
        for source in keras.tree.flatten(layer.input) if layer.name != "image" else ():
            name = source._keras_history.operation.name
            fx, fy = places[name]
            skips = abs(fy - y) > 1.5
            axes.annotate(
                "",
                xy=(x + WIDTH / 2, y) if skips else (x, y + HEIGHT / 2),
                xytext=(fx + WIDTH / 2, fy) if skips else (fx, fy - HEIGHT / 2),
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": "#777777",
                    "shrinkA": 0,
                    "shrinkB": 0,
                    "connectionstyle": "arc3,rad=-0.35" if skips else "arc3",
                },
            )
        axes.add_patch(
            FancyBboxPatch(
                (x - WIDTH / 2, y - HEIGHT / 2),
                WIDTH,
                HEIGHT,
                boxstyle="round,pad=0,rounding_size=0.06",
                facecolor="white",
                edgecolor="#555555",
            )
        )
        for role, bottom, height in (
            (Role.THROUGH, y - HEIGHT / 2, HEIGHT),
            (Role.IN, y + HEIGHT / 2 - STRIPE, STRIPE),
            (Role.OUT, y - HEIGHT / 2, STRIPE),
        ):
            found = stripes(groups, layer.name, role)
            total, left = sum(channels for _, channels in found), x - WIDTH / 2
            for colour, channels in found:
                width = WIDTH * channels / total
                alpha = 0.35 if role is Role.THROUGH else 1.0
                axes.add_patch(
                    Rectangle((left, bottom), width, height, facecolor=colour, alpha=alpha)
                )
                left += width
        axes.text(x, y, layer.name, ha="center", va="center", fontsize=9)
    axes.set_title(model_title(make), fontsize=10)
    axes.set_xlim(-2.3, 2.3)
    axes.set_ylim(-8.4, 0.4)
    axes.set_aspect("equal")
    axes.axis("off")


def model_title(make: Callable[..., object]) -> str:
    """What a network shows: the first part of its docstring."""
    return str(make.__doc__).replace(": ", ":\n", 1).strip().rstrip(".")


def main() -> None:
    """Write the picture."""
    # Names of elements would differ from run to run.
    mpl.rcParams["svg.hashsalt"] = "groups"
    figure, parts = plt.subplots(1, 3, figsize=(10, 7), facecolor="white")
    for axes, make in zip(parts, (residual, concatenation, flattening), strict=True):
        draw(axes, make)
    figure.tight_layout(pad=0.5)
    svg = io.StringIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    # Without the blanks at the ends of lines that Matplotlib leaves in paths.
    text = "\n".join(line.rstrip() for line in svg.getvalue().splitlines())
    Path(sys.argv[1]).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
