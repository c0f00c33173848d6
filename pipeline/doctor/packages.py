"""Python, the packages that Espalier needs, and variables that turn Keras into another one."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor.findings import Finding, fine, lacking
from pipeline.doctor.systems import install_command

OLDEST_PYTHON = (3, 11)
_TRUE = ("1", "true", "yes")

# Required ones whose versions are worth knowing when something goes wrong.
_SHOWN = ("tensorflow", "keras", "tf-keras", "numpy", "platformio")
# Packages of optional parts: what works without them, and what pip has to be told.
OPTIONAL = {
    "tensorflow-model-optimization": (
        "all but quantization-aware training (method qat) works",
        "--no-deps tensorflow-model-optimization",
    ),
    "tflite-micro": (
        "all works; tests do not compare with TensorFlow Lite Micro on this computer",
        "--pre tflite-micro",
    ),
    "jax": ("all works; tests do not prune on Keras' JAX backend", "jax"),
}


def examine_python() -> Iterator[Finding]:
    """The interpreter, and whether it can make environments."""
    topic = "python"
    oldest = ".".join(map(str, OLDEST_PYTHON))
    found = f"{'.'.join(map(str, sys.version_info[:3]))}, {sys.executable}"
    if sys.version_info[:2] >= OLDEST_PYTHON:
        yield fine(topic, "Python", found)
    else:
        fix = f"make setup PYTHON=/path/to/python{oldest}"
        without = f"nothing: Espalier needs {oldest}"
        yield lacking(topic, "Python", found, fix=fix, without=without, needed=True)
    in_environment = sys.prefix != sys.base_prefix
    if not in_environment and importlib.util.find_spec("ensurepip") is None:
        yield lacking(
            topic,
            "venv",
            "cannot make environments",
            fix=install_command("python3-venv"),
            without="what is installed works; `make setup` does not",
        )


def examine_packages() -> Iterator[Finding]:
    """What pyproject.toml asks for, then what optional parts ask for."""
    topic = "packages"
    absent = [name for name in required_packages() if _version(name) is None]
    if absent:
        yield lacking(
            topic,
            "required",
            f"not installed: {', '.join(absent)}",
            fix=f"make setup, or: {_pip()} install {' '.join(absent)}",
            without="verbs that do not need them work",
            needed=True,
        )
    for name in _SHOWN:
        version = _version(name)
        if name == "keras" and version is not None and version.split(".")[0] == "2":
            yield lacking(
                topic,
                name,
                f"{version}: Keras 2, whose models are others",
                fix=f"{_pip()} install 'keras>=3'",
                without="a .tflite can be deployed; nothing can be trained or pruned",
                needed=True,
            )
        elif version is not None:
            yield fine(topic, name, version)
    for name, (without, arguments) in OPTIONAL.items():
        version = _version(name)
        if version is not None:
            yield fine(topic, name, version)
        else:
            fix = f"{_pip()} install {arguments}"
            yield lacking(topic, name, "not installed", fix=fix, without=without)


def examine_keras() -> Iterator[Finding]:
    """Variables and files that make Keras another one than Espalier was written for."""
    topic = "keras"
    legacy = os.environ.get("TF_USE_LEGACY_KERAS", "")
    if legacy.lower() in _TRUE:
        yield lacking(
            topic,
            "TF_USE_LEGACY_KERAS",
            f"{legacy}: tf.keras is Keras 2, whose models are others",
            fix="unset TF_USE_LEGACY_KERAS",
            without="a .tflite can be deployed; training and conversion fail",
            needed=True,
        )
    backend, origin = _backend()
    if backend not in ("", "tensorflow"):
        in_file = f'write "backend": "tensorflow" into {origin}'
        yield lacking(
            topic,
            origin,
            f"backend {backend}: training and conversion need tensorflow",
            fix="unset KERAS_BACKEND" if origin == "KERAS_BACKEND" else in_file,
            without="a .tflite can be deployed; training and conversion fail",
            needed=True,
        )


def required_packages() -> tuple[str, ...]:
    """Names of what the installed project needs; nothing where it is not installed."""
    try:
        lines = importlib.metadata.requires("espalier") or []
    except importlib.metadata.PackageNotFoundError:
        return ()
    plain = [line for line in lines if "extra ==" not in line]
    return tuple(re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in plain)


def _backend() -> tuple[str, str]:
    """The backend that Keras would take, and what says so."""
    if backend := os.environ.get("KERAS_BACKEND", ""):
        return backend, "KERAS_BACKEND"
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    path = home / "keras.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("backend", "")), str(path)
    except (OSError, ValueError, AttributeError):
        return "", str(path)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pip() -> str:
    return f"{sys.executable} -m pip"
