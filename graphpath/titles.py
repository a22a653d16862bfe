"""Names of layers and feature maps that a person can say, made from their places in the module.

``net._blocks.4._depthwise_conv.conv2d`` is "block 4 · depthwise conv", ``layer1.0.conv1`` is
"layer 1.0 · conv 1", ``features.3.conv.0.0`` is "block 3 · conv 1". Blocks keep the numbers that the module
gives them. Within a block layers of one name are counted from 1, in the order in which they run. Where a
place has no name, only numbers, the layer's kind stands for it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

SEPARATOR: Final = " · "
"""What stands between the parts of a title: the blocks, the outermost first, then the layer."""

_Module = tuple[str, ...]
"""The parts of a module's path."""

_FUNCTIONS: Final = {
    "conv1d": "conv",
    "conv2d": "conv",
    "conv3d": "conv",
    "linear": "linear",
    "batch_norm": "norm",
    "add": "sum",
    "iadd": "sum",
}
"""What a layer is called whose place ends with a function's name (:mod:`graphpath.network.places`)."""
_KINDS: Final = {"add": "sum"}
_UNTOLD: Final = {
    "block",
    "blocks",
    "features",
    "layer",
    "layers",
    "module",
    "model",
    "net",
    "body",
    "f",
    "seq",
}
"""Names of modules that say nothing about what is in them."""
_SINGULAR: Final = dict.fromkeys(("", "features", "net", "model", "body", "seq"), "block")
_NUMBERED: Final = re.compile(r"(.*?)(?<!\dx)[ _-]*(\d+(?:[-_]\d+)*[a-z]?)")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_AGAIN: Final = re.compile(r":\d+$")


def name_layers(names: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """The titles of a network's layers, given all of their names and kinds in the order in which they run.

    No two are equal. The parts of a title are joined by :data:`SEPARATOR`.
    """
    places = [tuple(_AGAIN.sub("", name).split(".")) for name in names]
    blocks = _find_blocks(places)
    ends = [_end_of_block(place, blocks) for place in places]
    owners = [place[:end] for place, end in zip(places, ends, strict=True)]
    within = zip(places, ends, kinds, strict=True)
    layers = _count_alike(owners, [_describe_layer(place[end:], kind) for place, end, kind in within])
    for whole in (False, True):
        spoken = [
            [*_describe_blocks(owner, blocks, whole), layer]
            for owner, layer in zip(owners, layers, strict=True)
        ]
        titles = [SEPARATOR.join(parts) for parts in spoken]
        if len(set(titles)) == len(titles):
            break
    return _tell_apart(titles)


def name_map(layer: str, channel: int) -> str:
    """The title of a feature map of the layer of that title: "block 4 · conv 2 · map 37"."""
    return f"{layer}{SEPARATOR}map {channel}"


def block_of(layer: str) -> str:
    """The title of the block that the layer of that title is in; empty where it is in none."""
    return layer.rpartition(SEPARATOR)[0]


def _find_blocks(places: Iterable[_Module]) -> set[_Module]:
    """The modules that are blocks: numbered, with several layers in them or in one numbered beside them."""
    held: Counter[_Module] = Counter()
    for place in places:
        held.update(place[:end] for end in range(1, len(place)))
    several = {_without_number(module) for module, layers in held.items() if layers > 1}
    return {module for module in held if _number(module[-1]) and _without_number(module) in several}


def _without_number(module: _Module) -> _Module:
    return (*module[:-1], _word(module[-1]))


def _end_of_block(place: _Module, blocks: set[_Module]) -> int:
    """How many parts of a layer's place are those of its innermost block."""
    return max((end for end in range(1, len(place)) if place[:end] in blocks), default=0)


def _describe_blocks(owner: _Module, blocks: set[_Module], whole: bool) -> list[str]:
    """A layer's blocks, the outermost first; with ``whole`` also named modules between them."""
    said: list[str] = []
    for end, part in enumerate(owner, start=1):
        if owner[:end] not in blocks:
            said += [_describe(part)] if whole and part not in _UNTOLD else []
        elif part.isdigit() and owner[: end - 1] in blocks:
            said[-1] += f".{part}"  # layer1.0, blocks.1.0
        else:
            container = owner[end - 2] if end > 1 else ""
            said.append(_add_number(_word(part) or _singular(container), _number(part)))
    return [part for part, after in pairwise([*said, ""]) if not after.startswith(f"{part}-")]


def _describe_layer(place: _Module, kind: str) -> str:
    """What a layer is called within its block."""
    if kind in ("input", "attention", "logits"):
        return kind
    own = _KINDS.get(kind, kind)
    words = [part for part in place if part and not part.isdigit() and part not in _UNTOLD]
    said = [_FUNCTIONS.get(word, _describe(word)) for word in words]
    if len(said) > 1 and said[-1] in ("conv", "linear", "norm"):
        said.pop()  # depthwise_conv.conv2d
    return " ".join(word for word, before in zip(said, ["", *said], strict=False) if word != before) or own


def _count_alike(owners: Sequence[_Module], layers: Sequence[str]) -> list[str]:
    """Layers with a number behind those that others of their block are called like."""
    every = list(zip(owners, layers, strict=True))
    total, seen = Counter(every), Counter[tuple[_Module, str]]()
    said = []
    for key in every:
        seen[key] += 1
        said.append(key[1] if total[key] == 1 else _add_number(key[1], str(seen[key])))
    return said


def _tell_apart(titles: Sequence[str]) -> list[str]:
    """Titles with a number behind those that were there before."""
    found: dict[str, None] = {}
    for title in titles:
        made, times = title, 1
        while made in found:
            times += 1
            made = f"{title} ({times})"
        found[made] = None
    return list(found)


def _add_number(word: str, number: str) -> str:
    """ "conv" and "2" are "conv 2", "a" and "3" are "a3", "conv 1" and "2" are "conv 1 (2)"."""
    if word[-1:].isdigit():
        return f"{word} ({number})"
    return f"{word}{number}" if len(word) == 1 else f"{word} {number}"


def _describe(part: str) -> str:
    """One part of a path in words."""
    word, number = _word(part), _number(part)
    return _add_number(word, number) if word and number else word or part


def _word(part: str) -> str:
    """One part of a path without its number, in words."""
    found = _NUMBERED.fullmatch(part)
    return " ".join(_CAMEL.sub(" ", found[1] if found else part).replace("_", " ").split()).lower()


def _number(part: str) -> str:
    """The number at the end of one part of a path; empty where there is none."""
    found = _NUMBERED.fullmatch(part)
    return found[2] if found else ""


def _singular(container: str) -> str:
    """What one of the modules in a list of that name is called."""
    word = _word(container)
    if word in _SINGULAR:
        return _SINGULAR[word]
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word.removesuffix("es")
    return word if word.endswith("ss") else word.removesuffix("s")
