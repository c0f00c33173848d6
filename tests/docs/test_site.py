"""The documentation as a site: complete, without dead links, without anything from a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import REPOSITORY

pytestmark = pytest.mark.needs("mkdocs", "mkdocstrings")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site; links to nowhere are errors of the build."""
    out = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(out)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return out


def test_every_page_is_in_the_navigation(site: Path) -> None:
    index = (site / "index.html").read_text()
    for page in (REPOSITORY / "docs").glob("*.md"):
        assert f'href="{page.stem}.html"' in index


def test_nothing_is_loaded_from_a_network(site: Path) -> None:
    loads = re.compile(
        r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+href="(?:https?:)?//'
    )
    for page in site.rglob("*.html"):
        assert not loads.search(page.read_text()), page


def test_pages_outside_of_docs_link_to_each_other(site: Path) -> None:
    assert 'href="../boards.html"' in (site / "boards" / "index.html").read_text()
    assert 'href="firmware/PROTOCOL.html"' in (site / "index.html").read_text()


def test_the_reference_shows_arguments_and_errors(site: Path) -> None:
    page = (site / "python.html").read_text()
    for text in ("pipeline.prune.prune.prune_once", "keep_params", "MismatchError"):
        assert text in page
