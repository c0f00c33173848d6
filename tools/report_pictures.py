"""Take the pictures of docs/report.md: parts of a run's page, in headless Chromium.

    python tools/report_pictures.py runs/person

The run has to be one on drawn pictures: what its page shows gets into the repository.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

OUT = Path(__file__).resolve().parents[1] / "docs" / "images"
COLOURS = 96
# Name, width of the page in CSS pixels, scheme, and the sections that it is cut to.
PICTURES = (
    ("report-verdict", 1000, "light", ("verdict", "headline")),
    ("report-memory", 1000, "light", ("arena", "flash")),
    ("report-phone", 400, "dark", ("accuracy",)),
)
# All other sections are hidden.
ONLY = (
    "<style>main > *, nav, footer {{ display: none }} {shown} {{ display: block }}</style></head>"
)


def take(page: str, name: str, width: int, scheme: str, sections: tuple[str, ...]) -> None:
    """Write one picture."""
    shown = ", ".join(f"main > #{section}" for section in sections)
    page = page.replace("</head>", ONLY.format(shown=shown), 1)
    page = page.replace('<html lang="en">', f'<html lang="en" data-theme="{scheme}">', 1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "page.html").write_text(page, encoding="utf-8")
        # A window has a least width, a frame inside it has not.
        (root / "host.html").write_text(
            f'<body style="margin:0"><iframe src="page.html" '
            f'style="border:0;width:{width}px;height:3000px"></iframe>'
        )
        command = [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *(f"--window-size={max(width, 500)},3000", "--virtual-time-budget=8000"),
            *(f"--screenshot={root / 'shot.png'}", f"file://{root / 'host.html'}"),
        ]
        subprocess.run(command, check=True, capture_output=True)
        with Image.open(root / "shot.png") as shot:
            picture = shot.convert("RGB").crop((0, 0, width, 3000))
    picture = picture.crop((0, 0, width, _bottom(picture)))
    OUT.mkdir(exist_ok=True)
    picture.quantize(COLOURS).save(OUT / f"{name}.png", optimize=True)
    print(OUT / f"{name}.png", picture.size)


def _bottom(picture: Image.Image) -> int:
    """Where the empty ground below the page begins, with a margin."""
    ground = picture.getpixel((2, picture.height - 2))
    rows = range(picture.height - 1, 0, -1)
    last = next(
        row
        for row in rows
        if any(picture.getpixel((x, row)) != ground for x in range(0, picture.width, 3))
    )
    return min(picture.height, last + 24)


def main() -> None:
    """Take them all."""
    root = Path(sys.argv[1])
    page = (root / "report" / "report.html").read_text(encoding="utf-8")
    if not re.search(r"source = &#34;synthetic", page):
        sys.exit(f"{root}: expected a run on drawn pictures (data.source = synthetic)")
    for picture in PICTURES:
        take(page, *picture)


if __name__ == "__main__":
    main()
