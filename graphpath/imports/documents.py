"""JSON documents out of files, folders and tars, and their lists of objects as typed columns."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa

from graphpath.errors import DataError
from graphpath.imports.packed import open_packed, strip_packing, unpack
from graphpath.tars import DAMAGED, clean_name, is_archive, read_members

MOST_BYTES = 4 << 30
"""No document, nor an archive's together, may be larger, unpacked."""
LIST_OF_GRAPHS = "graph-metadata.json"


@dataclass(frozen=True)
class Document:
    """One JSON object: ``where`` is what messages call it, ``stem`` its file's name without the ending."""

    where: str
    stem: str
    sha256: str
    value: Mapping[str, Any]


def read_documents(paths: Sequence[Path]) -> Iterator[Document]:
    """The JSON objects of ``paths``: files, the JSON files of a folder, or those of a tar, in natural order.

    Each may be packed. The list that circuit-tracer keeps beside graphs (graph-metadata.json) is passed over.

    Raises:
        DataError: nothing there, a damaged or unsafe archive, or a file that is no JSON object.
    """
    for path in paths:
        found = False
        for where, name, data in _read_texts(path):
            found = True
            if PurePosixPath(name).name != LIST_OF_GRAPHS:
                yield _parse_document(where, bare_stem(name), data)
        if not found:
            raise DataError(f"{path} holds no .json file.")


def bare_stem(name: str) -> str:
    """The last part of ``name`` without its ending, and without those of packed files."""
    last = PurePosixPath(name).name
    return PurePosixPath(last[: len(strip_packing(last))]).stem


def is_json(name: str) -> bool:
    """Whether a file of a folder or tar is JSON by its name, packed or not."""
    return strip_packing(name).endswith(".json")


def _read_texts(path: Path) -> Iterator[tuple[str, str, bytes]]:
    if is_archive(path):
        yield from _read_archive(path)
    elif path.is_dir():
        for file in sorted(path.rglob("*"), key=lambda file: natural_key(str(file))):
            if is_json(file.name) and not file.is_dir():
                yield str(file), file.name, _read(file)
    else:
        yield str(path), str(path), _read(path)


def _read_archive(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Nothing of the archive is unpacked to disk; members are read one at a time."""
    try:
        with tarfile.open(path, "r:*") as archive:
            chosen = [one for one in read_members(path, archive) if one.isreg() and is_json(one.name)]
            if (size := sum(member.size for member in chosen)) > MOST_BYTES:
                raise DataError(f"{path} holds {size >> 20} MiB, more than is read at once.")
            for member in sorted(chosen, key=lambda one: natural_key(one.name)):
                name = clean_name(member)
                file = archive.extractfile(member)
                assert file is not None  # a plain file
                with unpack(file, f"{path}: {name}") as plain:
                    yield f"{path}: {name}", name, _read_bounded(plain, f"{path}: {name}")
    except DAMAGED as error:
        raise DataError(f"{path}: not a whole tar archive; it is truncated or damaged ({error})") from error


def _read(path: Path) -> bytes:
    with open_packed(path) as file:
        return _read_bounded(file, str(path))


def _read_bounded(file: IO[bytes], where: str) -> bytes:
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise DataError(f"{where} has more than {MOST_BYTES >> 20} MiB, which is more than is read at once.")
    return data


def _parse_document(where: str, stem: str, data: bytes) -> Document:
    try:
        value = json.loads(data, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no JSON: {error}.") from error
    if not isinstance(value, dict):
        raise DataError(f"{where} should hold a JSON object, not {type(value).__name__}.")
    return Document(where, stem, hashlib.sha256(data).hexdigest(), value)


def refuse_constant(text: str) -> float:
    """For ``parse_constant``: NaN and Infinity are Python's, not JSON's. Raises ValueError."""
    raise ValueError(f"{text} is no number that JSON has")


def natural_key(name: str) -> tuple[object, ...]:
    """A key that sorts ag-9 before ag-10: texts at even places, numbers at odd ones."""
    parts: list[object] = [""]
    for letter in name:
        number = letter.isdecimal() and letter.isascii()
        if number != isinstance(parts[-1], int):
            parts.append(0 if number else "")
        parts[-1] = parts[-1] * 10 + int(letter) if isinstance(parts[-1], int) else f"{parts[-1]}{letter}"
    return tuple(parts)


def require_member(
    value: Mapping[str, Any], key: str, kind: type[Any], where: str | Callable[[], str]
) -> Any:
    """``value[key]``, which must be a ``kind``. Raises DataError that names ``where`` and the key."""
    found = value.get(key)
    if isinstance(found, kind) and not (isinstance(found, str) and has_lone_surrogate(found)):
        return found
    named = where if isinstance(where, str) else where()
    if key not in value:
        raise DataError(f"{named} lacks the key {key!r}.")
    raise DataError(f"{named}: {key!r} should be a JSON {_JSON[kind]}, not {json.dumps(found)[:40]}.")


def has_lone_surrogate(text: str) -> bool:
    """Whether ``text`` has half of a character, as JSON may and no file may."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


_JSON: dict[type[Any], str] = {dict: "object", list: "list", str: "text"}


def to_columns(
    rows: Sequence[Any], kinds: Mapping[str, pa.DataType], where: Callable[[int], str]
) -> dict[str, pa.Array]:
    """Keys of the objects ``rows`` as columns of the types ``kinds``, without nulls.

    Raises:
        DataError: a row that is no object, lacks a key, or has a value of another type. The message names
            ``where(place)`` for the first such row, and the key.
    """
    return {name: _to_column(rows, name, kind, where) for name, kind in kinds.items()}


def _to_column(rows: Sequence[Any], name: str, kind: pa.DataType, where: Callable[[int], str]) -> pa.Array:
    try:
        return _cast([row[name] for row in rows], kind)
    except _WRONG:
        place, why = _find_first_wrong(rows, name, kind)
        raise DataError(f"{where(place)} {why}.") from None


_WRONG = (KeyError, TypeError, ValueError, OverflowError, pa.ArrowException)


def _cast(values: list[Any], kind: pa.DataType) -> pa.Array:
    """``values`` as ``kind``: inferred first, for Arrow cuts 1.5 down to an int64 without a word."""
    found = pa.array(values)
    if len(found) and (found.null_count or pa.types.is_boolean(found.type)):
        raise ValueError("null or boolean")
    return found.cast(kind)


def _find_first_wrong(rows: Sequence[Any], name: str, kind: pa.DataType) -> tuple[int, str]:
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            return place, f"should be a JSON object, not {type(row).__name__}"
        if name not in row:
            return place, f"lacks the key {name!r}"
        try:
            _cast([row[name]], kind)
        except _WRONG:
            return place, f"has {name!r}: {json.dumps(row[name])[:40]}, which is no {_NAMES[kind]}"
    return 0, f"and the others have {name!r} of several types; expected {_NAMES[kind]}"


_NAMES = {pa.int64(): "whole number", pa.float64(): "number", pa.string(): "text"}
