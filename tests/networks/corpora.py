"""The networks of each corpus, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import torchvision

HERE = Path(__file__).parent


@cache
def torchvision_names() -> tuple[str, ...]:
    """Every classification network of torchvision's."""
    return tuple(torchvision.models.list_models(module=torchvision.models))


@cache
def timm_names() -> tuple[str, ...]:
    """Networks of timm's: some of each of its families."""
    return _listed("timm.txt")


@cache
def pytorchcv_names() -> tuple[str, ...]:
    """A small network of each of pytorchcv's families."""
    return _listed("pytorchcv.txt")


@cache
def idiom_names() -> tuple[str, ...]:
    """The idioms of ordinary users' networks, ``family.name``."""
    from tests.network.idioms import IDIOMS

    return tuple(IDIOMS)


CORPORA: dict[str, Callable[[], tuple[str, ...]]] = {
    "torchvision": torchvision_names,
    "timm": timm_names,
    "pytorchcv": pytorchcv_names,
    "idioms": idiom_names,
}


@cache
def spread() -> tuple[tuple[str, str], ...]:
    """Corpus and name of forty small networks, no two alike, that tests run."""
    words = _listed("spread.txt")
    return tuple(zip(words[::2], words[1::2], strict=True))


def _listed(file: str) -> tuple[str, ...]:
    return tuple((HERE / file).read_text(encoding="utf-8").split())
