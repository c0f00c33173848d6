"""Pages in a real browser, without a network: sizes, charts, schemes, paper."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.report.compare import Subject, compare_report
from pipeline.report.html.compare import compare_page
from pipeline.report.html.page import report_page
from tests.report import fake_run

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.slow]

# A browser's window has a least width; a frame inside it has not.
HOST = """<!DOCTYPE html><body style="margin:0">
<iframe src="page.html" style="border:0;width:{width}px;height:900px"></iframe>
<pre id="found"></pre>
<script>
addEventListener("message", function (event) {{
  document.getElementById("found").textContent = event.data;
}});
</script></body>"""

# Runs in the page once everything is drawn.
PROBE = """<script>
setTimeout(function () {
  var root = document.documentElement, style = getComputedStyle(document.body);
  var wide = [];
  document.querySelectorAll("body *").forEach(function (element) {
    var box = element.getBoundingClientRect();
    if (box.right > root.clientWidth + 1 && !element.closest(".scroll, .skip, svg")) {
      wide.push(element.tagName + "." + element.className);
    }
  });
  var sideways = Array.from(document.querySelectorAll(".scroll")).filter(function (element) {
    return element.scrollWidth > element.clientWidth + 1;
  }).map(function (element) { return element.getAttribute("aria-label"); });
  var charts = Array.from(document.querySelectorAll(".plot"));
  parent.postMessage(JSON.stringify({
    inner: window.innerWidth, scroll: root.scrollWidth, client: root.clientWidth, wide: wide,
    sideways: sideways,
    title: document.title,
    background: style.backgroundColor, ink: style.color,
    charts: charts.length,
    drawn: charts.filter(function (c) { return c.querySelector(".main-svg"); }).length,
    colours: charts.map(function (c) { return c._fullLayout.font.color; }),
    unnamed: charts.filter(function (c) { return !c.getAttribute("aria-label"); }).length,
    figures: document.querySelectorAll("data[data-key]").length
  }), "*");
}, 1500);
</script>"""


def chromium(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
            # Nothing can be reached.
            *("--proxy-server=127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND"),
            *("--enable-logging=stderr", "--virtual-time-budget=8000"),
            *(f"--user-data-dir={folder / 'profile'}", *options),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )


def look(folder: Path, page: str, width: int, *options: str) -> dict[str, Any]:
    """Open a page in a frame of some width; what the probe found, and what the console said."""
    (folder / "page.html").write_text(page.replace("</body>", f"{PROBE}</body>"))
    (folder / "host.html").write_text(HOST.format(width=width))
    window = f"--window-size={max(width, 500)},900"
    done = chromium(folder, window, *options, "--dump-dom", f"file://{folder}/host.html")
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stderr
    found: dict[str, Any] = json.loads(match[1].replace("&amp;", "&"))
    found["console"] = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return found


@pytest.fixture(scope="module")
def page() -> str:
    return report_page(fake_run.report(), fake_run.samples())


@pytest.mark.parametrize("width", [400, 1000, 1600])
def test_everything_fits_and_is_drawn(width: int, page: str, tmp_path: Path) -> None:
    found = look(tmp_path, page, width)
    assert found["inner"] == width
    assert found["scroll"] <= found["client"]
    assert found["wide"] == found["sideways"] == []
    assert found["charts"] == found["drawn"] == 8
    assert found["unnamed"] == 0
    assert found["console"] == []
    assert found["title"] == "tiny: report"


def test_both_schemes(page: str, tmp_path: Path) -> None:
    light = look(tmp_path, page, 1000, "--blink-settings=preferredColorScheme=1")
    dark = look(tmp_path, page, 1000, "--blink-settings=preferredColorScheme=0")
    assert light["background"] == "rgb(255, 255, 255)"
    assert brightness(dark["background"]) < 60 < 180 < brightness(dark["ink"])
    assert set(light["colours"]) != set(dark["colours"])
    chosen = page.replace('<html lang="en">', '<html lang="en" data-theme="dark">')
    assert look(tmp_path, chosen, 1000)["background"] == dark["background"]


def brightness(colour: str) -> float:
    numbers = [int(number) for number in re.findall(r"\d+", colour)[:3]]
    return sum(numbers) / 3


def test_on_paper(page: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page)
    pdf = tmp_path / "page.pdf"
    chromium(tmp_path, f"--print-to-pdf={pdf}", f"file://{tmp_path}/page.html")
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 12


@pytest.mark.parametrize("width", [400, 1000])
def test_a_comparison_fits(width: int, tmp_path: Path) -> None:
    subjects = [Subject(label=name, report=fake_run.report()) for name in ("old", "new")]
    found = look(tmp_path, compare_page(compare_report(subjects)), width)
    assert found["scroll"] <= found["client"]
    assert found["wide"] == []
    assert found["console"] == []
    assert found["figures"] > 20
