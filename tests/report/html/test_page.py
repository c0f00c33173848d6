from __future__ import annotations

import json
import re

import pytest

from pipeline.device.board import load_board
from pipeline.report.html.chart import log_axis, plotly_script
from pipeline.report.html.page import report_page
from pipeline.report.html.sections import SECTIONS
from pipeline.report.run import run_report
from tests.report import fake_run
from tests.report.html.page_reader import Page, at_pointer

SIX_MEGABYTES = 6_000_000


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(report_page(fake_run.report(), fake_run.samples()))


def test_every_figure_is_that_of_the_json(page: Page) -> None:
    report = json.loads(json.dumps(fake_run.report()))
    assert page.json == report
    assert len(page.figures) > 80
    for key, value, text in page.figures:
        wanted = at_pointer(report, key)
        assert json.loads(value) == wanted, key
        if not text:
            # For machines only: the sentence beside it shows the figure.
            continue
        if text.endswith("%"):
            assert float(text[:-1]) == pytest.approx(100 * wanted, abs=0.005), key
        elif isinstance(wanted, int):
            assert int(text.removesuffix(" B").replace(",", "")) == wanted, key
    shown = {key for key, _, _ in page.figures}
    for key in (
        "/deployment/ram/total_bytes",
        "/deployment/flash/weights_bytes",
        "/deployment/estimated_cycles/median",
        "/accuracy/device/confusion/0/1",
        "/prune/layers/0/after/channels",
        "/deployment/layers/1/instructions",
        "/plan/placements/2/size_bytes",
        "/quantize/worst/0/moved",
    ):
        assert key in shown


def test_the_treemap_adds_up_to_the_flash_of_the_json(page: Page) -> None:
    trace = page.specs["flash-map"]["data"][0]
    flash = fake_run.report()["deployment"]["flash"]
    sizes = dict(zip(trace["ids"], trace["values"], strict=True))
    assert sizes["all"] == flash["total_bytes"]
    for owner in ("weights", "runtime", "harness"):
        assert sizes[owner] == flash[f"{owner}_bytes"]
        inside = [
            size
            for size, parent in zip(trace["values"], trace["parents"], strict=True)
            if parent == owner
        ]
        assert sum(inside) == sizes[owner]


def test_charts_hold_the_figures_of_the_json(page: Page) -> None:
    report = fake_run.report()
    layers = report["deployment"]["layers"]
    assert {"layer-costs", "arena-picture", "flash-map", "history"} <= page.specs.keys()
    panels: dict[str, dict[int, int]] = {}
    for trace in page.specs["layer-costs"]["data"]:
        panels.setdefault(trace["yaxis"], {}).update(zip(trace["x"], trace["y"], strict=True))
    for axis, key in (("y", "instructions"), ("y2", "estimated_cycles"), ("y3", "macs")):
        assert panels[axis] == {index: layer[key] for index, layer in enumerate(layers)}
    arena = page.specs["arena-picture"]
    assert len(arena["data"]) == len(report["plan"]["placements"])
    assert arena["layout"]["yaxis"]["range"] == [0, report["plan"]["arena_bytes"]]
    # The fullest step: 32 bytes are live during step 0.
    assert arena["layout"]["shapes"][0]["x0"] == 0
    assert "32 B, at step 0" in re.sub(r"\s+", " ", page.words)
    assert arena["data"][0]["x"] == [-1, 1, 1, -1, -1]
    assert arena["data"][0]["y"] == [16, 16, 0, 0, 16]
    speed = page.specs["pareto-speed"]["data"][1]
    ticks = report["deployment"]["instructions_per_inference"]["median"]
    assert (speed["x"], speed["y"]) == ([report["deployment"]["model"]["macs"]], [ticks])


def test_nothing_given_gets_into_the_page_as_markup(page: Page) -> None:
    text = report_page(fake_run.report(), fake_run.samples())
    assert fake_run.HOSTILE not in text
    assert fake_run.HOSTILE in page.words
    # Charts and JSON, the page's script, and Plotly.
    assert page.tags.count("script") == len(page.specs) + 3


def test_the_page_needs_no_network(page: Page) -> None:
    text = report_page(fake_run.report(), fake_run.samples())
    assert len(text.encode()) < SIX_MEGABYTES
    assert all(link.startswith(("#", "data:")) for link in page.links)
    own = text.replace(plotly_script(), "")
    assert "http" not in own.replace("http-equiv", "")
    assert "url(" not in own
    assert "default-src 'none'" in own


def test_the_same_run_gives_the_same_bytes() -> None:
    first = report_page(fake_run.report(), fake_run.samples())
    assert report_page(fake_run.report(), fake_run.samples()) == first


def test_figures_say_where_they_come_from(page: Page) -> None:
    text = report_page(fake_run.report(), fake_run.samples())
    for origin in ("emulated", "estimated", "computed", "published"):
        assert f'<span class="tag tag-{origin}">{origin}</span>' in text
    cards = text[text.index('id="headline"') : text.index('id="widths"')]
    assert re.search(r"Estimated cycles.*?tag-estimated", cards, re.DOTALL)
    assert re.search(r"Instructions per inference.*?tag-emulated", cards, re.DOTALL)
    assert re.search(r"MACs.*?tag-computed", cards, re.DOTALL)


def test_the_accuracy_is_that_over_the_most_samples() -> None:
    quantized = fake_run.quantized()
    quantized["accuracy"]["int8"] = {**quantized["accuracy"]["int8"], "samples": 1000, "plain": 0.5}
    few = Page(report_page(fake_run.report(facts=fake_run.facts(quantize=quantized)), {}))
    words = " ".join(few.words.split())
    assert "of int8, TFLite's reference kernels, 1,000 samples" in words
    assert ("/accuracy/int8/balanced", "0.75", "75.00%") in few.figures
    assert few.specs["pareto-macs"]["data"][-1]["y"] == [50.0]
    everything = Page(report_page(fake_run.report(), {}))
    assert "of int8, on the device" in " ".join(everything.words.split())


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([2_600_000, 12_500_000], ["2M", "5M", "10M", "20M"]),
        ([4_000, 120_000], ["10k", "100k"]),
        ([16], ["10", "20"]),
        ([8, 9_000_000], ["10", "100", "1k", "10k", "100k", "1M", "10M"]),
    ],
)
def test_ticks_of_logarithmic_axes_are_whole_words(values: list[int], texts: list[str]) -> None:
    axis = log_axis(values)
    assert axis["ticktext"] == texts
    assert len(axis["tickvals"]) == len(axis["ticktext"])


def test_without_scripts_every_chart_has_its_words(page: Page) -> None:
    text = report_page(fake_run.report(), fake_run.samples())
    assert text.count("<noscript><p") == len(page.specs)
    assert "Drawn only where JavaScript may run. " in page.words


def test_one_sample_is_one() -> None:
    assert "1 test sample changes its class" in " ".join(
        Page(report_page(fake_run.report(), {})).words.split()
    )


def test_the_verdict_comes_first(page: Page) -> None:
    text = " ".join(page.words.split())
    assert "All 7 gates passed." in text
    assert text.index("All 7 gates passed.") < text.index("Balanced accuracy")
    failed = fake_run.report(facts=fake_run.facts(deployment=fake_run.deployment(mismatches=2)))
    words = " ".join(Page(report_page(failed, {})).words.split())
    assert "1 of 7 gates failed: Bit-exact outputs." in words
    assert "2 of 4 outputs differ" in words


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (("train", "prune", "quantize"), "nothing is known about its training"),
        (("prune",), "the run has no section [prune]"),
        (("plan",), "ended before its memory plan"),
        (("deployment",), "ended before its measurement"),
    ],
)
def test_what_a_run_lacks_is_left_out_with_the_reason(missing: tuple[str, ...], words: str) -> None:
    facts = fake_run.facts(**dict.fromkeys(missing))
    page = Page(report_page(fake_run.report(facts=facts), {}))
    assert words in page.words
    assert page.words.count("Left out.") >= 1


def test_quantization_shows_each_layer_and_what_to_try(page: Page) -> None:
    words = " ".join(page.words.split())
    assert "ranges by mse, corrected biases of 20 samples" in words
    assert f"Layer {fake_run.HOSTILE} hurts most." in words
    assert page.specs["layer-noise"]["data"][1]["y"] == [33.0, None]
    assert "Filters of four bits: 9,000 B → 7,000 B of flash" in words


def test_quantization_aware_training_says_its_best_epoch() -> None:
    trained = fake_run.quantized() | {"method": "qat", "qat": {"best_epoch": 5}, "layers": None}
    page = Page(report_page(fake_run.report(facts=fake_run.facts(quantize=trained)), {}))
    assert "Trained with int8 rounding; epoch 5 was best." in page.words
    assert "layer-noise" not in page.specs
    trained["qat"] = {"best_epoch": 5, "kept": "equalized"}
    page = Page(report_page(fake_run.report(facts=fake_run.facts(quantize=trained)), {}))
    assert "did no better on the validation samples than calibration with equalized" in page.words


def test_tflm_has_no_plan_to_draw() -> None:
    planned = {"arena_bytes": 4000, "layers": fake_run.facts()["plan"]["layers"]}
    page = Page(report_page(fake_run.report(facts=fake_run.facts(plan=planned)), {}))
    assert "TensorFlow Lite Micro places its tensors when it starts" in page.words
    assert "arena-picture" not in page.specs


def test_a_deployment_without_a_run() -> None:
    report = run_report(
        "bare", {}, {"deployment": fake_run.deployment()}, board=load_board("mps2_an386")
    )
    words = Page(report_page(report, {})).words
    assert "nothing is known about its training" in words
    assert "0 of 4 outputs differ" in words


def test_a_training_that_diverged_still_has_a_page() -> None:
    trained = fake_run.trained()
    trained["history"][1]["val_loss"] = float("nan")
    page = Page(report_page(fake_run.report(facts=fake_run.facts(train=trained)), {}))
    assert page.specs["history"]["data"][1]["y"] == [1.5, None, 0.5]


def test_every_section_has_an_id_of_its_own() -> None:
    text = report_page(fake_run.report(), {})
    ids = re.findall(r'<section id="([^"]+)"', text)
    assert len(ids) == len(set(ids)) == len(SECTIONS)
    every = re.findall(r'\sid="([^"]+)"', text.replace(plotly_script(), ""))
    assert len(every) == len(set(every))
