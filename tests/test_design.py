"""graphpath/README.md says what the code says; and no document is cited that is not there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from graphpath.record.schema import IMAGES, OPTIONAL, SINGLE, TABLES
from graphpath.schema import NODE_INDEXES, NODES, RELATIONSHIP_INDEXES, RELATIONSHIPS, SCHEMA_VERSION
from tests.documents import CHECKOUT, documents
from tests.test_layers import ANYWHERE, PACKAGE, REACHES

DOCUMENT = CHECKOUT / "graphpath" / "README.md"
DESIGN = DOCUMENT.read_text(encoding="utf-8")
ROOMS = ("<!-- rooms -->\n", "<!-- end of rooms -->")
CITED = r"\b(?:[\w.-]+/)*[\w-]+\.md\b"
PRIVATE = re.compile(
    r"""\b(DESIGN|GRAPHDB|ANCHORS|EXPLORER)\b | \b(SCALE|STYLE)\b(?=\.md) | §[ ]?\d | \w§
    | \b(critical|diffusion)-pathways\b""",
    re.VERBOSE,
)
"""Documents that are not in the tree."""
WRITTEN = ("guide.md", "summary.md")
"""Documents that the program writes."""


def section(title: str) -> str:
    """A section of the document with its subsections."""
    return re.split(r"\n## ", DESIGN.split(f"\n## {title}\n")[1])[0]


def rows(text: str) -> list[list[str]]:
    """The rows of the tables in ``text``, without heads: their cells."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [cells for cells in lines if cells[0] not in ("room", "column", "property", "id", "section")]


def named(cell: str) -> list[str]:
    """The names in a cell."""
    return re.findall(r"`(\w+)`", cell)


def entries(text: str) -> dict[str, str]:
    """What follows each bold name that begins a paragraph, up to the next."""
    parts = re.split(r"^\*\*`(\w+)`\*\*", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# --- architecture ------------------------------------------------------------------------


def test_every_room_is_on_the_map_with_what_it_may_import() -> None:
    shown = rows(DESIGN.split(ROOMS[0])[1].split(ROOMS[1])[0])
    found = {named(cells[0])[0]: set(named(cells[2])) if len(cells) > 2 else set() for cells in shown}
    assert found == REACHES
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert found.keys() == {name for name in there if not name.startswith("__") and name != "README"}


def test_what_everyone_may_import_is_said() -> None:
    [sentence] = re.findall(r"^Everyone may also import [^.]*\.", DESIGN, flags=re.MULTILINE)
    assert set(named(sentence)) == ANYWHERE


def test_cypher_is_where_the_document_says() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bMATCH \(", path.read_text(encoding="utf-8"))
    }
    apart = {name for name in found if not name.startswith("stores/")}
    assert apart == {"naming.py", "analysis/resemblance.py"}
    assert all(f"`{name}`" in section("Architecture") for name in apart)


# --- record ------------------------------------------------------------------------------


def typed(schema: pa.Schema) -> list[tuple[str, str]]:
    """The columns as the document writes them."""
    kinds = {"float": "float32", "double": "float64"}
    found = []
    for field in schema:
        kind = kinds.get(str(field.type), str(field.type))
        kind = "list of int32" if pa.types.is_list(field.type) else kind
        nullable = field.nullable and schema is not IMAGES
        found.append((field.name, f"{kind}, null" if nullable else kind))
    return found


@pytest.mark.parametrize("name", [*TABLES, "images"])
def test_every_column_of_the_record_is_explained(name: str) -> None:
    text = entries(section("The record"))[name]
    shown = [(named(cells[0])[0], cells[1]) for cells in rows(text)]
    assert shown == typed(IMAGES if name == "images" else TABLES[name])
    assert all(cells[2] for cells in rows(text))
    head = text[:60]
    if name in TABLES:
        assert ("single" if name in SINGLE else "in parts") in head
        assert (name in OPTIONAL) == ("optional" in head)


def test_every_table_of_the_record_is_there() -> None:
    assert entries(section("The record")).keys() == {*TABLES, "images"}


def test_every_entry_of_run_json_is_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import graphpath as gp
    from tests.tracing import nets

    model, shape = nets.made("plain")
    images = nets.images(shape, 2, seed=1).float()
    options = {"phi": "fitted", "name": "small"}
    trace = gp.trace(model.float(), images, out=tmp_path / "trace", **options)
    said = section("The record").split("\n`run.json` holds:\n")[1].split("\n\nSingle tables")[0]
    assert trace.run.keys() <= set(named(said))
    assert "fitted" in trace.run


# --- graph -------------------------------------------------------------------------------


def drawn() -> set[tuple[str, str, str]]:
    """The arrows of the diagram of the graph: (source, type, target), several types on one arrow."""
    (diagram,) = re.findall(r"```mermaid\n(.*?)```", DESIGN, flags=re.DOTALL)
    arrows = re.findall(r"^ +(\w+) -- ([A-Z_, ]+) --> (\w+)$", diagram, flags=re.MULTILINE)
    assert len(arrows) == diagram.count("-->")
    return {(start, name, end) for start, names, end in arrows for name in names.split(", ")}


def test_the_schema_drawn_is_the_schema() -> None:
    assert drawn() == {(r.source, r.name, r.target) for r in RELATIONSHIPS}
    apart = {node.label for node in NODES} - {end for start, _, target in drawn() for end in (start, target)}
    assert apart == {"GraphpathMeta"}


KINDS = {node.label: node.properties for node in NODES} | {r.name: r.properties for r in RELATIONSHIPS}


@pytest.mark.parametrize("name", KINDS)
def test_every_property_of_the_graph_is_explained(name: str) -> None:
    text = entries(section("The graph"))[name].split("\n\nOn Neo4j")[0]
    shown = [(prop, cells[1]) for cells in rows(text) for prop in named(cells[0])]
    assert dict(shown) == KINDS[name]
    assert len(shown) == len(dict(shown))
    assert all(cells[2] for cells in rows(text))


def test_every_label_and_type_is_there_with_its_ends() -> None:
    text = section("The graph")
    assert entries(text).keys() == KINDS.keys()
    assert f"Schema {SCHEMA_VERSION} " in text
    for r in RELATIONSHIPS:
        assert f"**`{r.name}`**, {r.source} to {r.target}: " in text


def test_the_indexes_are_named() -> None:
    text = section("The graph")
    for owner, name in (*NODE_INDEXES, *RELATIONSHIP_INDEXES.items()):
        assert f"`{owner}.{name}`" in text


# --- citations ---------------------------------------------------------------------------


@cache
def sources() -> dict[str, str]:
    """The text of every file of the tree that may cite a document, by path; this file's own is left out."""
    kinds = (".py", ".cypher", ".md", ".toml", ".yaml", ".html", ".js", ".css", ".env", "Dockerfile")
    found = [CHECKOUT / "README.md", CHECKOUT / "pyproject.toml", CHECKOUT / ".ci" / "run"]
    for folder in ("graphpath", "cypher", "docker", "tests"):
        found += [path for path in sorted((CHECKOUT / folder).rglob("*")) if path.name.endswith(kinds)]
    return {
        path.relative_to(CHECKOUT).as_posix(): path.read_text(encoding="utf-8")
        for path in found
        if path.is_file() and path != Path(__file__).resolve()
    }


def cited(text: str) -> set[str]:
    """The documents that ``text`` names. Where its links lead is the matter of ``tests/test_links.py``."""
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return {name for name in re.findall(CITED, text) if not name.startswith((".", "-"))}


def is_there(name: str, where: str) -> bool:
    """Whether a document that ``where`` cites is in the tree, or one that the program writes."""
    beside = CHECKOUT / Path(where).parent / name
    return (CHECKOUT / name).is_file() or beside.is_file() or Path(name).name in WRITTEN


def test_every_document_that_is_cited_is_there() -> None:
    missing = [
        f"{path}: {name}"
        for path, text in sources().items()
        for name in cited(text)
        if not is_there(name, path)
    ]
    assert not missing


def test_no_private_document_is_cited() -> None:
    found = [f"{path}: {match[0]}" for path, text in sources().items() for match in PRIVATE.finditer(text)]
    assert not found


def test_every_section_that_is_cited_is_there() -> None:
    missing = []
    for path, written in sources().items():
        text = re.sub(r"\s+#?\s*", " ", written)
        for document, title in re.findall(r'`{0,2}((?:[\w.-]+/)+\w+\.md)`{0,2}, "([A-Z][^"]+)"', text):
            document_text = (CHECKOUT / document).read_text(encoding="utf-8")
            if not re.search(rf"^##+ {re.escape(title)}$", document_text, flags=re.MULTILINE):
                missing.append(f"{path}: {document}, {title}")
    assert not missing


# --- lists of files ----------------------------------------------------------------------

PATHS = r"`((?:graphpath|tests|cypher|docker)/[\w./-]*)`"


@pytest.mark.parametrize("document", documents())
def test_every_file_that_is_named_is_there(document: str) -> None:
    text = (CHECKOUT / document).read_text(encoding="utf-8")
    assert not [name for name in re.findall(PATHS, text) if not (CHECKOUT / name).exists()]


@pytest.mark.parametrize("what", ["A method", "An operation", "A query", "An engine"])
def test_what_one_adds_has_its_list(what: str) -> None:
    text = (CHECKOUT / "tests" / "README.md").read_text(encoding="utf-8").split("\n## How to add\n")[1]
    assert len(re.findall(PATHS, text.split(f"**{what}**")[1].split("\n\n**")[0])) > 1


@pytest.mark.parametrize("room", ["tracing", "network", "stores"])
def test_modules_that_a_room_describes_are_there(room: str) -> None:
    folder = PACKAGE / room
    text = (folder / "README.md").read_text(encoding="utf-8")
    named_modules = re.findall(r"`(\w+\.py)`", text)
    assert len(named_modules) > 5
    assert not [name for name in named_modules if not list(folder.rglob(name))]
