"""The udev rules name every board that can be plugged in, in a form that udev takes."""

from __future__ import annotations

import re

import pytest

from pipeline.device.board import board_names, load_board
from pipeline.paths import udev_rules_path

RULES = udev_rules_path()
# udev(7): comma-separated KEY{attribute}operator"value".
PAIR = r'[A-Z]+(\{[A-Za-z_]+\})?(==|!=|=|\+=|:=)"[^"]*"'
# Where systemd's 73-seat-late.rules reads the tag.
UACCESS_IS_READ_AT = 73


def lines() -> list[str]:
    text = RULES.read_text(encoding="utf-8").splitlines()
    return [line for line in text if line and not line.startswith("#")]


def ids() -> set[str]:
    found = set()
    for line in lines():
        vendor = re.search(r'ATTRS\{idVendor\}=="(\w+)"', line)
        products = re.search(r'ATTRS\{idProduct\}=="([\w|]+)"', line)
        if vendor and products:
            found |= {f"{vendor[1]}:{product}" for product in products[1].split("|")}
    return found


def test_form() -> None:
    for line in lines():
        assert re.fullmatch(rf"{PAIR}(, {PAIR})*", line), line
    text = "\n".join(lines())
    jumps, labels = (set(re.findall(rf'{word}="(\w+)"', text)) for word in ("GOTO", "LABEL"))
    assert jumps == labels


def test_tag_is_set_before_it_is_read() -> None:
    assert int(RULES.name.partition("-")[0]) < UACCESS_IS_READ_AT
    assert any('TAG+="uaccess"' in line for line in lines())


def test_nano_that_other_rules_miss_is_there() -> None:
    assert {"2341:005a", "2341:805a", "2341:015a", "2341:025a"} <= ids()


@pytest.mark.parametrize("name", board_names())
def test_every_board_is_there(name: str) -> None:
    assert set(load_board(name).usb_ids) <= ids()
