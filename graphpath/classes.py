"""Classes by name: which of a model's classes a name means. No torch here."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

CLASSES: Final = "classes"
"""The scheme of categories of every run in which each class is a category of its own."""

WNID = re.compile(r"(?<![^\W_])n\d{8}(?![^\W_])", re.IGNORECASE)
"""A WordNet id within a name, as in n02391049_zebra."""

_SPACES = re.compile(r"[\s_]+|(?<=[^\W\d])-(?=[^\W\d])")
_PARTS = re.compile(r",| - ")
"""Between the names of one class: "tench, Tinca tinca" of ImageNet's lists, "0 - zero" of torchvision's."""


def simplify(name: str) -> str:
    """``name`` in lower case, with one space for all spaces, underscores and hyphens between letters."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(_SPACES.sub(" ", text).split())


def find_wnid(name: str) -> str | None:
    """The WordNet id in ``name``, in lower case."""
    found = WNID.search(name)
    return None if found is None else found.group().casefold()


class Finder:
    """A model's classes, to be found by name.

    A WordNet id decides where both sides have one; then the name as it stands; then without case, spaces and
    underscores; then each of several names of a class.
    """

    def __init__(self, names: Sequence[str], wnids: Sequence[str] = ()) -> None:
        self._wnids: dict[str, list[int]] = defaultdict(list)
        self._named: tuple[dict[str, list[int]], ...] = tuple(defaultdict(list) for _ in range(3))
        found = [wnids[k] if wnids else find_wnid(name) for k, name in enumerate(names)]
        self._every = bool(names) and all(found)
        for number, (name, wnid) in enumerate(zip(names, found, strict=True)):
            if wnid:
                self._wnids[wnid.casefold()].append(number)
            for table, keys in zip(self._named, _name_keys(name), strict=True):
                for key in keys:
                    table[key].append(number)

    def find_classes(self, name: str) -> list[int]:
        """The numbers of the classes that ``name`` means: one, none, or several where it is ambiguous."""
        wnid = find_wnid(name)
        if wnid is not None and (self._every or wnid in self._wnids):
            return self._wnids.get(wnid, [])
        for table, keys in zip(self._named, _name_keys(name), strict=True):
            if found := sorted({number for key in keys for number in table.get(key, [])}):
                return found
        return []


def _name_keys(name: str) -> tuple[Iterable[str], Iterable[str], Iterable[str]]:
    """What a name is found by: itself, itself plain, its parts plain."""
    bare = WNID.sub("", name).strip(" _-.()[]") if find_wnid(name) else name
    whole = [simplify(bare)] if simplify(bare) else []
    parts = {simplify(part) for part in _PARTS.split(bare)} - {""}
    return [name], whole, sorted(parts)
