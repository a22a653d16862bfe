"""Names of classes in a file: a name a line, a table ``index,wnid,name``, or JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphpath.classes import WNID
from graphpath.errors import ModelError

NUMBER, NAME = ("index", "label", "class", "id"), ("name", "names", "category")
WORDNET = ("wnid", "synset")
"""What the columns of a table may be called."""


@dataclass(frozen=True)
class NamedClasses:
    """Classes in the order of their labels."""

    names: tuple[str, ...]
    wnids: tuple[str, ...] | None = None


def read_names(path: str | Path) -> NamedClasses:
    """The classes that a file names, by label.

    A text file has one a line; a CSV table has columns ``name`` or ``wnid``, and ``index`` if it is not in
    order; JSON is a list, or a dict from label to name or, as torchvision's and Keras' file of ImageNet has
    it, to (WordNet id, name).

    Raises ModelError where it is none of these, or a label is missing or named twice.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{file}: names of classes cannot be read from it ({reason})") from error
    if text.lstrip()[:1] in ("{", "["):
        rows = _read_json(file, text)
    else:
        lines = [line for line in text.splitlines() if line.strip()]
        rows = _read_table(lines) if _is_table(lines) else [(k, line.strip()) for k, line in enumerate(lines)]
    return _order_rows(file, rows)


def _is_table(lines: Sequence[str]) -> bool:
    head = {cell.strip().lower() for cell in (lines[0] if lines else "").split(",")}
    return len(head) > 1 and bool(head & {*NAME, *WORDNET})


def _read_table(lines: Sequence[str]) -> list[tuple[Any, ...]]:
    rows = [
        {str(key).strip().lower(): (value or "").strip() for key, value in row.items()}
        for row in csv.DictReader(lines)
    ]
    head = list(rows[0]) if rows else []
    number, wnid, name = (next((c for c in head if c in known), None) for known in (NUMBER, WORDNET, NAME))
    return [
        (row[number] if number else k, row[wnid] if wnid else None, row[name] if name else row[wnid or ""])
        for k, row in enumerate(rows)
    ]


def _read_json(file: Path, text: str) -> list[tuple[Any, ...]]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{file}: not JSON ({error})") from error
    pairs = found.items() if isinstance(found, dict) else enumerate(found)
    return [(label, *(name if isinstance(name, list) else [name])) for label, name in pairs]


def _order_rows(file: Path, rows: list[tuple[Any, ...]]) -> NamedClasses:
    found: dict[int, tuple[str | None, str]] = {}
    for number, *words in rows:
        if not str(number).isdecimal() or not words or not all(isinstance(w, str | None) for w in words):
            raise ModelError(
                f"{file}: {number!r}: {words} is no class; expected its label from 0 on and its name"
            )
        wnid = words[0] if len(words) > 1 and words[0] and WNID.fullmatch(str(words[0])) else None
        name = str(words[-1])
        if found.setdefault(int(number), (wnid, name)) != (wnid, name):
            raise ModelError(f"{file}: class {number} has two names, {found[int(number)][1]!r} and {name!r}")
    if not found or set(found) != set(range(len(found))):
        missing = next((k for k in range(len(found)) if k not in found), 0)
        raise ModelError(f"{file}: class {missing} has no name; expected one for each label from 0 on")
    ordered = [found[label] for label in range(len(found))]
    ids = tuple(wnid for wnid, _ in ordered if wnid)
    return NamedClasses(tuple(name for _, name in ordered), ids if len(ids) == len(ordered) else None)
