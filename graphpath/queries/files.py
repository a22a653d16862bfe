"""The named queries: found, read and checked once. A file's path under ``cypher/`` is its name.

``<topic>/<dialect>/<name>.cypher`` is the twin of ``<topic>/<name>.cypher`` for one engine; it must have
the same header.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from graphpath.errors import QueryFileError
from graphpath.queries import lint, text
from graphpath.queries.header import GDS, Guard, Header, parse_header, split_header
from graphpath.queries.parameters import Parameter
from graphpath.queries.units import MAP, NEURON, UNIT, has_units, rewrite

DIALECTS: Final = ("ladybug", "neo4j")


@dataclass(frozen=True)
class Query:
    """A named query. ``text`` is the whole file, comments included: it is what the engine gets."""

    name: str
    path: Path
    text: str
    header: Header
    twins: Mapping[str, str]

    @property
    def title(self) -> str:
        return self.header.title

    @property
    def description(self) -> str:
        return self.header.description

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return self.header.parameters

    @property
    def returns(self) -> Mapping[str, str]:
        """Columns with their types."""
        return self.header.returns

    @property
    def guards(self) -> tuple[Guard, ...]:
        return self.header.guards

    @property
    def needs_gds(self) -> bool:
        """Whether only a Neo4j server with Graph Data Science answers it."""
        return self.header.engine == GDS

    @property
    def topic(self) -> str:
        return self.name.split("/")[0]

    def text_for(self, dialect: str, unit: str = NEURON) -> str:
        """The Cypher for an engine, its twin's where it has one, between neurons or feature maps."""
        return rewrite(self.twins.get(dialect, self.text), unit)


def find_root() -> Path:
    """The folder of the query files: ``graphpath/cypher`` in a wheel, the sibling ``cypher`` in a checkout.

    Raises:
        QueryFileError: neither exists.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "cypher", package.parent / "cypher"):
        if folder.is_dir():
            return folder
    raise QueryFileError(
        f"The query files are missing: no folder {package / 'cypher'}; install graphpath again."
    )


def read_folder(folder: Path) -> dict[str, Query]:
    """Every query under ``folder`` by name, in order.

    Raises:
        QueryFileError: a file is malformed, or two files have one name; it names the file and line.
    """
    twins: dict[str, dict[str, Path]] = {}
    mains: dict[str, Path] = {}
    for path in _list_files(folder):
        parts = path.relative_to(folder).with_suffix("").parts
        name, dialect = _parse_name(parts, path)
        if dialect:
            twins.setdefault(name, {})[dialect] = path
        elif (other := _find_same_name(name, mains)) is not None:
            raise QueryFileError(f"{path}:1: {other} has the same name.")
        else:
            mains[name] = path
    for name in twins.keys() - mains.keys():
        path = next(iter(twins[name].values()))
        raise QueryFileError(f"{path}:1: a twin of {name}, which does not exist.")
    return {name: read_file(name, path, twins.get(name, {})) for name, path in mains.items()}


def _list_files(folder: Path) -> list[Path]:
    """The query files under ``folder``, in order. Raises QueryFileError where a suffix has capitals."""
    # rglob enters no linked folder: the two depths at which queries lie are looked at besides.
    every = {*folder.rglob("*.*"), *folder.glob("*/*.*"), *folder.glob("*/*/*.*")}
    found = sorted(path for path in every if path.suffix.lower() == ".cypher")
    for path in found:
        if path.suffix != ".cypher":
            raise QueryFileError(f"{path}:1: a query file ends in .cypher, in small letters: rename it.")
    return found


def read_file(name: str, path: Path, twins: Mapping[str, Path] | None = None) -> Query:
    """The query in the file ``path``, checked."""
    content = _read_text(path)
    header = _check_content(content, path, portable=not twins)
    texts: dict[str, str] = {}
    for dialect, twin in (twins or {}).items():
        texts[dialect] = _read_text(twin)
        if _check_content(texts[dialect], twin, portable=False) != header:
            raise QueryFileError(f"{twin}:1: its header differs from that of {path}.")
    return Query(name, path, content, header, MappingProxyType(texts))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors put a mark first
    except OSError as error:
        raise QueryFileError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise QueryFileError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8.") from error


@cache
def catalogue() -> Mapping[str, Query]:
    """The queries that graphpath ships, by name."""
    return MappingProxyType(read_folder(find_root()))


def find(name: str, known: Mapping[str, Query] | None = None) -> Query:
    """The query ``name`` ("topic/name"; "topic.name" will do) among ``known``, by default the shipped ones.

    Raises:
        QueryFileError: there is none; it names the nearest.
    """
    known = catalogue() if known is None else known
    asked = name.strip().removesuffix(".cypher").replace(".", "/").strip("/")
    if asked in known:
        return known[asked]
    near = list(_suggest_names(asked, tuple(known)))
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}."
    raise QueryFileError(f"There is no query {name!r}; {hint}")


def _suggest_names(asked: str, known: tuple[str, ...]) -> Iterator[str]:
    last = asked.rsplit("/", maxsplit=1)[-1].lower()
    exact = [name for name in known if name.rsplit("/", maxsplit=1)[-1] == last]
    close = difflib.get_close_matches(asked.lower(), known, n=3, cutoff=0.6)
    leaves = difflib.get_close_matches(last, [name.rsplit("/", maxsplit=1)[-1] for name in known], n=2)
    close += [name for name in known if name.rsplit("/", maxsplit=1)[-1] in leaves]
    yield from list(dict.fromkeys(exact or close))[:3]


def _parse_name(parts: tuple[str, ...], path: Path) -> tuple[str, str | None]:
    if len(parts) == 2:
        return "/".join(parts), None
    if len(parts) == 3 and parts[1] in DIALECTS:
        return f"{parts[0]}/{parts[2]}", parts[1]
    raise QueryFileError(f"{path}:1: a query is TOPIC/NAME.cypher or TOPIC/ENGINE/NAME.cypher.")


def _find_same_name(name: str, mains: Mapping[str, Path]) -> Path | None:
    """Names that differ in case only would clash on some file systems and on the command line."""
    return next((path for other, path in mains.items() if other.lower() == name.lower()), None)


def _check_content(content: str, path: Path, *, portable: bool) -> Header:
    header = parse_header(content, path)
    _, lines = split_header(content)
    body = "\n".join(content.splitlines()[lines:])
    if not text.blank_out(body).strip():
        raise QueryFileError(f"{path}:{lines + 1}: the query is empty.")
    used = text.find_parameters(content)
    for name, line in used.items():
        if name not in header.parameters:
            raise QueryFileError(
                f"{path}:{line}: ${name} is not declared; add // param {name} TYPE: meaning."
            )
    elsewhere = {guard.limit for guard in header.guards} | ({UNIT} if has_units(header.parameters) else set())
    for name in header.parameters:
        if name not in used and name not in elsewhere:
            raise QueryFileError(f"{path}:1: parameter {name} is declared and never used.")
    for guard in header.guards:
        if guard.limit not in header.parameters:
            raise QueryFileError(f"{path}:1: the guard compares with {guard.limit}, which is no parameter.")
    for unit in (NEURON, MAP) if has_units(header.parameters) else (NEURON,):
        for fault in lint.check(rewrite(content, unit), portable=portable and header.engine is None):
            raise QueryFileError(f"{path}:{fault.line}: {fault.message}")
    return header
