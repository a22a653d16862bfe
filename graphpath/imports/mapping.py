"""The mapping file of an edge list: which column means what."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphpath.errors import DataError
from graphpath.imports.packed import decode, open_packed

ENDS = ("source_layer", "source_channel", "target_layer", "target_channel")
COLUMNS = (*ENDS, "category", "sample", "weight")
TEXT_OPTIONS = ("delimiter", "decimal", "encoding")


@dataclass(frozen=True)
class EdgeMapping:
    """What the columns of an edge list are, and what to call things.

    ``columns`` has the list's own name of each of ``COLUMNS`` that it has; the four of ``ENDS`` are needed.
    Without ``category`` all edges are of one class; without ``sample`` a category is one graph; without
    ``weight`` each edge has 1. ``layers`` is their order from the input on (otherwise that of the edges),
    ``classes`` the names of labels 0, 1, ... (otherwise numbers are labels, and names get them sorted).

    Layers, channels, categories and samples are names: ``01`` and ``1`` are two, and ``NA`` is one. Channels,
    categories or samples that are all written as whole numbers are (0, 7, 12) stand for those numbers.

    Of text files, ``delimiter`` (otherwise the first of comma, tab, semicolon, bar and space by which the
    header has the columns), ``decimal`` ("." or ",") and ``encoding`` (otherwise UTF-8, or by its mark) say
    how they are written.
    """

    where: str
    columns: Mapping[str, str]
    name: str | None = None
    network: str | None = None
    scheme: str | None = None
    layers: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    delimiter: str | None = None
    decimal: str = "."
    encoding: str | None = None

    @classmethod
    def read(cls, path: str | Path) -> EdgeMapping:
        """The mapping in ``path``, TOML or JSON. Raises DataError, naming the file and the key."""
        path = Path(path)
        try:
            with open_packed(path) as file:
                text = decode(file.read())
            value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path} cannot be read as a mapping (TOML, or JSON in .json): {error}."
            ) from error
        if not isinstance(value, dict):
            raise DataError(f"{path} should hold a JSON object, not {type(value).__name__}.")
        return cls.from_value(value, str(path))

    @classmethod
    def from_value(cls, value: Mapping[str, Any], where: str = "the mapping") -> EdgeMapping:
        """The mapping that ``value`` is: the keys of this class, ``columns`` among them. Raises DataError."""
        texts, lists = ("name", "network", "scheme", *TEXT_OPTIONS), ("layers", "classes")
        _check_keys(value, ("columns", *texts, *lists), where)
        columns = value.get("columns")
        if not isinstance(columns, dict):
            raise DataError(f"{where} lacks 'columns', which says what the edge list's columns are.")
        _check_keys(columns, COLUMNS, f"{where}: columns")
        for key in ENDS:
            if key not in columns:
                raise DataError(f"{where}: columns lacks {key!r}, which every edge needs.")
        for key, found in (*columns.items(), *((key, value[key]) for key in texts if key in value)):
            if not isinstance(found, str) or not found:
                raise DataError(f"{where}: {key!r} should be a text, not {found!r}.")
        for key in lists:
            if key in value and not _is_text_list(value[key]):
                raise DataError(f"{where}: {key!r} should be a list of different texts, not {value[key]!r}.")
        layers, classes = (None if key not in value else tuple(value[key]) for key in lists)
        options = {key: value[key] for key in texts if key in value}
        _check_text_options(options, where)
        return cls(where, columns, layers=layers, classes=classes, **options)


def _check_text_options(options: Mapping[str, str], where: str) -> None:
    """The options of how a text file is written must be known ones."""
    if len(options.get("delimiter", ",")) != 1 or options.get("delimiter") in ('"', "\r", "\n"):
        raise DataError(f"{where}: 'delimiter' should be one character, not {options['delimiter']!r}.")
    if (decimal := options.get("decimal", ".")) not in (".", ","):
        raise DataError(f"{where}: 'decimal' should be '.' or ',', not {decimal!r}.")
    try:
        "".encode(options.get("encoding", "utf-8"))
    except LookupError as error:
        raise DataError(f"{where}: 'encoding' should be one that Python knows: {error}.") from error


def _check_keys(value: Mapping[str, Any], known: Collection[str], where: str) -> None:
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it may have {', '.join(known)}."
            raise DataError(f"{where} has the unknown key {key!r}; {hint}")


def _is_text_list(value: object) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(one, str) for one in value)
        and len(set(value)) == len(value)
    )
