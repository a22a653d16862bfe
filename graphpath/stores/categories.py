"""Categories of one's own: a scheme says which classes are of which category.

A file of it is CSV: a column that tells a class (``name``, ``wnid``, ``label`` or ``index``) and one that
gives its category. A class without one is in no category. In the graph a scheme's categories are nodes like
classes; ``(:Category)-[:IN_CATEGORY]->(:Category {scheme})`` leads from the class to its category.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from graphpath.classes import CLASSES, Finder
from graphpath.errors import DataError, StoreConflict
from graphpath.ids import category_id, digest

if TYPE_CHECKING:
    import pyarrow as pa

CATEGORY: Final = "category"
NAMES: Final = ("name", "class", "class_name")
NUMBERS: Final = ("label", "index")
_SCHEME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_SHOWN = 3

LINKS: Final = """
MATCH (a:Category)-[:IN_CATEGORY]->(b:Category)
RETURN a.id AS class, b.id AS category, b.scheme AS scheme, b.name AS name
"""
NODES: Final = (
    "MATCH (k:Category) RETURN k.id AS category, k.scheme AS scheme, k.label AS label, k.name AS name"
)

PREDICTED: Final = """
MATCH (s:Sample)-[q:PREDICTED]->(k:Category) WHERE q.run = $run AND q.rank = 1
RETURN s.id AS sample, k.id AS category, k.label AS number
"""
"""The class that a run predicts for each sample, by id and number."""

Rows = Sequence[Mapping[str, Any]]


class Reader(Protocol):
    """What answers Cypher."""

    def execute(self, text: str, parameters: Mapping[str, object]) -> pa.Table:
        """The rows that ``text`` returns."""
        ...


@dataclass(frozen=True)
class Scheme:
    """Which classes are of which category, as a file says it: a row for each class that is in one."""

    name: str
    source: str
    rows: tuple[Mapping[str, str], ...]
    column: str | None = None
    """That was asked for, of the file's."""

    @classmethod
    def read(cls, path: str | Path, name: str, column: str | None = None) -> Scheme:
        """The scheme ``name`` of a CSV file; ``column`` holds the categories, by default ``category`` or the
        only one whose name begins so.

        Raises DataError where the file has no such columns, or is no table.
        """
        check_scheme(name)
        path = Path(path)
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, strict=True)
                columns = list(reader.fieldnames or ())
                rows = [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path} cannot be read as a CSV file of categories: {error}.") from error
        chosen = _choose_column(path, columns, column)
        if not {*columns} & {*NAMES, *NUMBERS, "wnid"}:
            raise DataError(
                f"{path} has the columns {', '.join(columns)}: none tells which class a row is about. "
                "Expected one called name, wnid, label or index."
            )
        known = tuple({**row, CATEGORY: row[chosen]} for row in rows if row.get(chosen))
        if not known:
            raise DataError(f"{path}: column {chosen!r} is empty; expected the category of a class.")
        return cls(name, str(path), known, column)

    def match(self, classes: Mapping[int, str]) -> dict[int, str]:
        """The category of each class (by label) that has one, of classes that are so called.

        Rows tell their class by name or WordNet id; a file that has neither by number. Where a name means
        several classes the row's number decides, if it is one of them.

        Raises DataError where no class is found, a name stays ambiguous, or a class has two categories.
        """
        labels = sorted(classes)
        finder = Finder([classes[label] for label in labels])
        if self._is_named:
            found = [self._find(row, finder, labels) for row in self.rows]
        else:
            found = [self._find_number(row, classes) for row in self.rows]
        matched: dict[int, str] = {}
        for row, places in zip(self.rows, found, strict=True):
            for label in places:
                if matched.setdefault(label, row[CATEGORY]) != row[CATEGORY]:
                    raise DataError(
                        f"{self.source} puts the class {classes[label]!r} into two categories, "
                        f"{matched[label]!r} and {row[CATEGORY]!r}: a class is of one."
                    )
        if not matched:
            some = ", ".join(repr(classes[label]) for label in labels[:_SHOWN])
            numbered = (
                " To go by their numbers all the same, leave the columns of names out."
                if self._is_named
                else ""
            )
            raise DataError(
                f"{self.source} names none of the classes of the trace, which are {some}, ...{numbered}"
            )
        return matched

    @property
    def _is_named(self) -> bool:
        return any(row.get(column) for row in self.rows for column in (*NAMES, "wnid"))

    def _find(self, row: Mapping[str, str], finder: Finder, labels: Sequence[int]) -> list[int]:
        for column in (*NAMES, "wnid"):
            if not row.get(column):
                continue
            places = [labels[place] for place in finder.find_classes(row[column])]
            if len(places) < 2:
                if places:
                    return places
                continue
            wanted = {int(row[key]) for key in NUMBERS if row.get(key, "").isdecimal()}
            if len(chosen := [place for place in places if place in wanted]) != 1:
                raise DataError(
                    f"{self.source}: {row[column]!r} is the name of {len(places)} classes "
                    f"({', '.join(map(str, places))}); a column label with their numbers tells them apart."
                )
            return chosen
        return []

    def _find_number(self, row: Mapping[str, str], classes: Mapping[int, str]) -> list[int]:
        given = [row[key] for key in NUMBERS if row.get(key)]
        return [int(text) for text in given[:1] if text.isdecimal() and int(text) in classes]


@dataclass(frozen=True)
class Groups:
    """Which class is of which category, for the classes of a trace and of what the store holds.

    ``rows`` are (scheme, class id, category id), each class in its own scheme ``classes`` too; ``nodes`` the
    categories (id, scheme, label, name) and ``links`` (class id, category id) that the store has not yet.
    """

    rows: tuple[tuple[str, int, int], ...]
    nodes: tuple[tuple[int, str, int, str], ...] = ()
    links: tuple[tuple[int, int], ...] = ()

    def describe(self, classes: Iterable[int]) -> dict[str, str]:
        """Each scheme that any of ``classes`` (ids) is in, with a digest of their categories."""
        wanted = {*classes}
        held: dict[str, list[tuple[int, int]]] = {}
        for scheme, one, category in self.rows:
            if scheme != CLASSES and one in wanted:
                held.setdefault(scheme, []).append((one, category))
        return {scheme: digest(sorted(held[scheme]))[:16] for scheme in sorted(held)}


def check_scheme(name: str) -> None:
    """Raise DataError for a name that no scheme can have."""
    if name == CLASSES:
        raise DataError(f"The scheme {CLASSES!r} is the one of the classes themselves: choose another name.")
    if not _SCHEME.fullmatch(name):
        raise DataError(
            f"{name!r} is no name of a scheme: expected up to 64 letters, digits and . _ + -, beginning with "
            "a letter or digit."
        )


def read_groups(store: Reader, classes: Rows, scheme: Scheme | None = None) -> Groups:
    """What ``store`` knows of categories, and what ``scheme`` adds for ``classes``.

    ``classes`` are rows (category, scheme, label, name) of a trace. Raises DataError as ``Scheme.match``, and
    StoreConflict where the store has a class in another category of the scheme, or the name for classes.
    """
    nodes, links = (store.execute(text, {}).to_pylist() for text in (NODES, LINKS))
    return merge_groups(nodes, links, classes, scheme)


def merge_groups(nodes: Rows, links: Rows, classes: Rows, scheme: Scheme | None = None) -> Groups:
    """As :func:`read_groups`, of the rows of ``NODES`` and ``LINKS``."""
    grouped = {row["category"] for row in links}
    ids = {int(row["category"]) for row in (*classes, *nodes) if row["category"] not in grouped}
    own = [(CLASSES, one, one) for one in sorted(ids)]
    held = [(str(row["scheme"]), int(row["class"]), int(row["category"])) for row in links]
    if scheme is None:
        return Groups((*own, *held))
    return _add_scheme(scheme, Groups((*own, *held)), nodes, links, classes)


def _add_scheme(scheme: Scheme, known: Groups, nodes: Rows, links: Rows, classes: Rows) -> Groups:
    if scheme.name in {row["scheme"] for row in classes}:
        raise StoreConflict(
            f"{scheme.name!r} is what the trace calls its own classes: choose another --scheme for the "
            "categories."
        )
    numbers = {str(row["name"]): int(row["label"]) for row in nodes if row["scheme"] == scheme.name}
    wanted = scheme.match({int(row["label"]): str(row["name"]) for row in classes})
    fresh = sorted({*wanted.values()} - {*numbers})
    first = max(numbers.values(), default=-1) + 1
    numbers |= {name: first + place for place, name in enumerate(fresh)}
    stored = {row["class"]: row["name"] for row in links if row["scheme"] == scheme.name}
    added = []
    for row in sorted(classes, key=lambda row: int(row["category"])):
        if (name := wanted.get(int(row["label"]))) is None:
            continue
        if (before := stored.get(row["category"])) is None:
            added.append((int(row["category"]), category_id(scheme.name, numbers[name])))
        elif before != name:
            raise StoreConflict(
                f"The store has the class {row['name']!r} in the category {before!r} of scheme "
                f"{scheme.name!r}, {scheme.source} in {name!r}: choose another name for the scheme."
            )
    made = [(category_id(scheme.name, numbers[name]), scheme.name, numbers[name], name) for name in fresh]
    rows = [(scheme.name, one, category) for one, category in added]
    return Groups((*known.rows, *rows), tuple(made), tuple(added))


def describe_groups(groups: Groups, classes: Rows, scheme: Scheme) -> str:
    """What became of the classes of a trace, in a sentence."""
    total = len(classes)
    ids = {int(row["category"]) for row in classes}
    mine = [(one, category) for name, one, category in groups.rows if name == scheme.name and one in ids]
    categories = len({category for _, category in mine})
    outside = total - len(mine)
    left = f"; {outside:,} {'is' if outside == 1 else 'are'} in none" if outside else ""
    unknown = len(scheme.rows) - len(mine)
    beside = f"; rows of {scheme.source} that are about none of them: {unknown:,}" if unknown > 0 else ""
    return (
        f"Scheme {scheme.name}: {len(mine):,} of the {total:,} classes {'is' if len(mine) == 1 else 'are'} "
        f"in {categories:,} {'category' if categories == 1 else 'categories'}{left}{beside}."
    )


def _choose_column(path: Path, columns: Sequence[str], asked: str | None) -> str:
    """The column that holds the categories."""
    if asked is not None:
        if asked not in columns:
            raise DataError(f"{path} has no column {asked!r}; it has {', '.join(columns) or 'none'}.")
        return asked
    if CATEGORY in columns:
        return CATEGORY
    begun = [column for column in columns if column.startswith(CATEGORY)]
    if len(begun) == 1:
        return begun[0]
    raise DataError(
        f"{path} has the columns {', '.join(columns) or 'none'}: expected one called category, or say which "
        "one holds the categories (--column)."
    )
