from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.device.ports import Port
from pipeline.errors import ConfigError, DeviceError
from tests.bench import BenchBoard, bench_port, read_bench


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return tmp_path / "bench.toml"


def test_no_file_is_an_empty_bench(bench: Path) -> None:
    assert read_bench(bench) == {}


def test_boards_are_read(bench: Path) -> None:
    bench.write_text('[host]\nport = "COM3"\n[mps2_an386]\nport = "x"\nserial_number = "12"\n')
    assert read_bench(bench) == {
        "host": BenchBoard(port="COM3"),
        "mps2_an386": BenchBoard(port="x", serial_number="12"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[host", "no valid TOML"),
        ('[hots]\nport = "x"', r"\[hots\]: expected a section per board.*Did you mean 'host'"),
        ("host = 1", r"\[host\]: expected a section with a port. Received: 1"),
        ('[host]\nprot = "x"', "unknown key 'prot'. Did you mean 'port'"),
        ("[host]\nport = 3", "'port' must be a text. Received: 3"),
        ('[host]\nport = ""', "'port' must be a text. Received: ''"),
        ('[host]\nserial_number = "1"', "the key 'port' is missing"),
    ],
)
def test_what_is_no_bench_is_refused(bench: Path, text: str, message: str) -> None:
    bench.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_bench(bench)


def test_the_option_wins_over_the_bench(bench: Path) -> None:
    bench.write_text('[host]\nport = "COM3"\n')
    assert bench_port("host", "COM4", bench) == "COM4"
    assert bench_port("host", None, bench) == "COM3"


def test_a_port_is_never_looked_for(bench: Path) -> None:
    with pytest.raises(ConfigError, match=r"--port or from a section \[host\] of bench.toml"):
        bench_port("host", None, bench, look=lambda: pytest.fail("a scan"))


def test_another_board_at_the_port_is_refused(bench: Path, tmp_path: Path) -> None:
    port = tmp_path / "ttyACM0"
    link = tmp_path / "by-id"
    link.symlink_to(port)
    bench.write_text(f'[host]\nport = "{link}"\nserial_number = "12"\n')

    def there(number: str) -> tuple[Port, ...]:
        return (Port(path=str(port), serial_number=number),)

    assert bench_port("host", None, bench, look=lambda: there("12")) == str(link)
    with pytest.raises(DeviceError, match=r"serial number '12' \(bench.toml, \[host\]\).*'13'"):
        bench_port("host", None, bench, look=lambda: there("13"))
    with pytest.raises(DeviceError, match="no such port"):
        bench_port("host", None, bench, look=lambda: ())
