"""Figures and names as a page shows them."""

from __future__ import annotations

from pipeline.report.html.shown import short_names


def test_layers_are_told_apart_in_a_few_characters() -> None:
    names = [
        "resnet_1/block/conv_1/Conv2D;resnet_1/block/bn_1/Add",
        "resnet_1/dense_1/MatMul",
        "StatefulPartitionedCall_1:0",
    ]
    assert short_names(names) == ["block", "dense_1", "output"]
    assert short_names(["", "conv"]) == ["layer", "conv"]
