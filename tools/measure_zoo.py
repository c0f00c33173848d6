"""Measure the cards of the zoo on the emulated board, and write pipeline/model/zoo_cards.json.

What a model takes depends on its shapes, so cards are measured on stand-ins with random weights;
accuracies come from trainings that people ran, with the commands that stand beside them. A card
whose measurement fails, or whose model is not at hand, keeps its figures.

    make zoo
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipeline.artifacts import read_json, tool_versions, write_json
from pipeline.device.board import load_board
from pipeline.errors import PipelineError
from pipeline.model.zoo import CARDS_PATH, ZOO, Variant
from pipeline.report.progress import Reporter
from pipeline.stages import Deployment, Request, Target, deploy
from tests.shared import shared_root

BOARD = "mps2_an386"
_PACKAGES = ("keras", "tensorflow", "ai-edge-litert", "capstone")

# Of trained models on real data, by card. Whoever runs a command anew corrects the value.
ACCURACIES: dict[str, dict[str, Any]] = {
    "mobilenet_v2_025_80": {
        "value": 0.7892,
        "metric": "balanced accuracy of the int8 model",
        "data": "person921: 921 photographs, person or not",
        "samples": 168,
        "split": "held-out test split, near-duplicates kept on one side",
        "seed": 1,
        "command": "espalier run examples/zoo_person.toml --data person921 "
        "--init example_wake_vision_mobilenetv2.keras",
    },
    "resnet8": {
        "value": 0.7239,
        "metric": "accuracy of the int8 model",
        "data": "CIFAR-10 as JPEG files, 46,564 pictures to train",
        "samples": 10000,
        "split": "the data's own test part",
        "seed": 1,
        "command": "espalier run examples/zoo_cifar10.toml --data all",
    },
    "vww_96_int8": {
        "value": 0.7578,
        "metric": "balanced accuracy",
        "data": "person921: 921 photographs, person or not",
        "samples": 921,
        "split": "all of it, none of it trained on",
        "seed": None,
        "command": "espalier deploy vww_96_int8.tflite --board host --inputs person921",
    },
    "resnet8_int8": {
        "value": 0.7555,
        "metric": "accuracy",
        "data": "CIFAR-10 as JPEG files",
        "samples": 10000,
        "split": "the data's own test part",
        "seed": None,
        "command": "espalier deploy resnet8_int8.tflite --board host --inputs cifar10/test",
    },
    "kws_ref_model": {
        "value": 0.901,
        "metric": "accuracy",
        "data": "MLPerf Tiny's keyword spotting, performance set",
        "samples": 1000,
        "split": "all of it, none of it trained on here",
        "seed": None,
        "command": "espalier deploy kws_ref_model.tflite --board host --inputs kws01",
    },
}

# Reference models whose labelled data is public.
REFERENCES = {
    "kws_ref_model": "MLPerf Tiny's reference model of keyword spotting, a DS-CNN",
    "resnet8_int8": "MLPerf Tiny's reference model of image classification, a ResNet-8",
    "vww_96_int8": "MLPerf Tiny's reference model of visual wake words, a MobileNetV1 0.25",
}


def main() -> int:
    """Measure the cards; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--card", action="append", help="only this one (repeatable)")
    options = parser.parse_args()
    old = read_json(CARDS_PATH) if CARDS_PATH.is_file() else {"cards": []}
    cards = {card["name"]: card for card in old["cards"]}
    made: dict[str, Any] = {}
    failed = False
    names = [variant.name for variant in ZOO] + list(REFERENCES)
    for name in options.card or names:
        try:
            card, made = measure(name)
        except PipelineError as error:
            print(f"zoo: {name} stays as it is: {error}", file=sys.stderr)
            failed = True
            continue
        if card is not None:
            cards[name] = card
            print(f"zoo: {name}: {card['instructions']:,} instructions", flush=True)
    for name, card in cards.items():
        card["accuracy"] = ACCURACIES.get(name)
    ordered = [cards[name] for name in names if name in cards]
    write_json(CARDS_PATH, {"schema": 1, "made": made or old["made"], "cards": ordered})
    print(f"written to {CARDS_PATH}")
    return int(failed)


def measure(name: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """A card, and how it was made; no card where the model is not at hand."""
    with tempfile.TemporaryDirectory(prefix="espalier-zoo-") as folder:
        if name in REFERENCES:
            path = shared_root() / "models" / f"{name}.tflite"
            if not path.is_file():
                print(f"zoo: {name} stays as it is: no {path.name} at hand", file=sys.stderr)
                return None, {}
            facts = {
                "name": name,
                "what": REFERENCES[name],
                "builder": None,
                "params": None,
                "profile": f"espalier profile {path.name}",
            }
        else:
            variant = next(variant for variant in ZOO if variant.name == name)
            path = Path(folder) / f"{name}.tflite"
            facts = stand_in(variant, path)
        board = load_board(BOARD)
        target = Target(board=board, keep_constant_channels=name not in REFERENCES)
        request = Request(model=path, inputs="random:1:2", command=f"espalier deploy {path.name}")
        done = deploy(request, target, Reporter(quiet=True))
        return {**facts, **figures(done)}, provenance(done)


def stand_in(variant: Variant, path: Path) -> dict[str, Any]:
    """Write a model of a variant's shapes; what is known of it before it runs."""
    from pipeline.model.build import build_model
    from pipeline.model.facts import model_facts
    from pipeline.stages.costs import convert_stand_in

    model = build_model(
        variant.architecture, variant.input_shape, variant.classes, alpha=variant.alpha
    )
    path.write_bytes(convert_stand_in(model))
    return {
        "name": variant.name,
        "what": variant.what,
        "builder": {
            key: value
            for key, value in dataclasses.asdict(variant).items()
            if key in ("architecture", "input_shape", "classes", "alpha")
        },
        "params": model_facts(model).params,
        "profile": variant.profile,
    }


def figures(done: Deployment) -> dict[str, Any]:
    """What a deployment took."""
    report = done.report
    if report["mismatches"]:
        raise PipelineError("its outputs differ from the reference")
    shape = done.plan.graph.tensors[done.plan.graph.inputs[0]].shape[1:]
    weights = done.plan.weights_bytes
    flash = report["flash"]["weights_bytes"] + report["flash"]["runtime_bytes"]
    return {
        "input_shape": list(shape),
        "macs": report["model"]["macs"],
        "arena_bytes": report["ram"]["arena_bytes"],
        "ram_bytes": report["ram"]["total_bytes"],
        "weights_bytes": weights,
        # With the few bytes that align the weights.
        "runtime_bytes": flash - weights,
        "flash_bytes": flash,
        "instructions": report["instructions_per_inference"]["median"],
        "estimated_cycles": report["estimated_cycles"]["median"],
    }


def provenance(done: Deployment) -> dict[str, Any]:
    """With what everything was measured."""
    return {
        "made_by": "make zoo",
        "board": done.report["board"],
        "emulator": done.report["emulator"],
        "toolchain": done.report["toolchain"],
        "pipeline": done.report["pipeline"],
        "tools": tool_versions(_PACKAGES),
    }


if __name__ == "__main__":
    sys.exit(main())
