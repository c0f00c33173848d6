"""MLPerf Tiny's models: what `profile` has to call them, so that the public runner drives them."""

from __future__ import annotations

from collections.abc import Mapping

# By the names of their files in the public repository (mlcommons/tiny, benchmark/training), without
# suffix, and by those under which they are passed on.
_NAMES: Mapping[str, str] = {
    "vww_96_int8": "vww01",
    "kws_ref_model": "kws01",
    "pretrainedResnet_quant": "ic01",
    "resnet8_int8": "ic01",
    "ad01_int8": "ad01",
}


def benchmark_name(model_name: str) -> str:
    """The benchmark that a model is the reference model of; any other keeps its name."""
    return _NAMES.get(model_name, model_name)
