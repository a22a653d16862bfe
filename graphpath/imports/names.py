"""Class names from a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from graphpath.errors import DataError
from graphpath.imports.delimited import Delimited
from graphpath.imports.documents import refuse_constant
from graphpath.imports.packed import decode, open_packed, strip_packing
from graphpath.imports.rows import WHOLE

SEPARATED = {".csv": ",;\t", ".tsv": "\t"}
LABELS = ("index", "label", "class", "id")
"""What the column of labels is called beside that of names, in order of preference."""


def read_class_names(path: str | Path) -> dict[int, str]:
    """Names by label: of a text file with one a line (the first is class 0), or of a JSON list or object.

    An object's keys are labels; its values are names, or lists that end in the name, as Keras gives
    ImageNet's (``{"0": ["n01440764", "tench"]}``). A ``.csv`` has a column ``name``, and its labels in
    ``index``, ``label``, ``class`` or ``id``, or by its rows.

    Raises:
        DataError: the file cannot be read, or is none of these; or it names a class twice.
    """
    path = Path(path)
    kind = Path(strip_packing(path.name)).suffix
    try:
        if kind in SEPARATED:
            return _index_by_label(path, _read_table(path, SEPARATED[kind]))
        with open_packed(path) as file:
            text = decode(file.read())
        if not text.lstrip().startswith(("{", "[")):
            lines = enumerate(text.splitlines())
            return {label: line.strip() for label, line in lines if line.strip()}
        return _index_by_label(path, _read_json(text))
    except UnicodeError as error:
        raise DataError(f"{path} should be UTF-8 text: {error}.") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f'{path} should hold names by label, one a line or as JSON ({{"0": "tench"}}): {error}.'
        ) from error


def _read_json(text: str) -> Iterable[tuple[str, str]]:
    found = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=list)
    pairs = found if text.lstrip().startswith("{") else enumerate(found)
    return [(str(label), _to_name(value)) for label, value in pairs]


def _to_name(value: object) -> str:
    last = value[-1] if isinstance(value, list) and value else value
    if not isinstance(last, str):
        raise TypeError(f"{json.dumps(value)[:40]} is no name")
    return last


def _read_table(path: Path, separators: str) -> Iterable[tuple[str, str]]:
    file = Delimited.open_separated(path, ["name"], None, separators)
    label = next((name for name in LABELS if name in file.header), None)
    if file.header.count("name") != 1:
        raise ValueError(f"of the columns {', '.join(file.header)[:200]} one should be 'name'")
    wanted = {"name": "name"} if label is None else {"name": "name", "label": label}
    found = {key: column.to_pylist() for key, column in file.read_columns(wanted).items()}
    return zip(found.get("label", map(str, range(len(found["name"])))), found["name"], strict=True)


def _index_by_label(path: Path, pairs: Iterable[tuple[str, str]]) -> dict[int, str]:
    """Names by labels that are whole numbers from 0, each once."""
    found: dict[int, str] = {}
    for text, name in pairs:
        if not re.fullmatch(WHOLE, text) or int(text) < 0:
            raise ValueError(f"{text[:40]!r} is no label, which is a whole number from 0")
        if found.setdefault(int(text), name) != name:
            raise DataError(f"{path} calls class {text} {found[int(text)]!r} and {name!r}.")
    return {label: name for label, name in found.items() if name.strip()}
