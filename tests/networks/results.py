"""What was measured, kept line by line; and the table of it in graphpath/network/README.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from tests.documents import CHECKOUT, shown, write
from tests.networks.measuring import Measured

DOCUMENT = CHECKOUT / "graphpath" / "network" / "README.md"
MARKS = ("<!-- networks -->\n", "<!-- end of networks -->")
COLUMNS = (
    "network",
    "layers",
    "neurons",
    "edges of an effective path",
    "largest error",
    "float32",
    "seconds",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n|---|{'---:|' * (len(COLUMNS) - 1)}\n"
Key = tuple[str, str]


def shown_rows() -> dict[Key, dict[str, str]]:
    """The rows that the document shows, by corpus and network: each cell by its column."""
    found: dict[Key, dict[str, str]] = {}
    columns: list[str] = []
    corpus = ""
    for line in shown(DOCUMENT, MARKS).splitlines():
        if line.startswith("**"):
            corpus = line.strip("*")
        cells = [cell.strip() for cell in line.strip("|").split(" |")]
        if line.startswith("| network"):
            columns = cells
        elif line.startswith("| `"):
            found[corpus, cells[0].strip("`")] = dict(zip(columns, cells, strict=True))
    return found


def read(file: Path) -> dict[Key, Measured]:
    """The last result of each network that a file holds."""
    if not file.exists():
        return {}
    found = [Measured(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
    return {(measured.corpus, measured.name): measured for measured in found}


def keep(file: Path, measured: Measured) -> None:
    """Add a result to a file."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(measured)) + "\n")


def one_line(measured: Measured) -> str:
    """A result as it is printed."""
    name = f"{measured.corpus} {measured.name}"
    if not measured.sites:
        return f"{name}: {measured.outcome}: {measured.said}"
    return (
        f"{name}: {measured.outcome} {measured.said} {measured.side} px, {measured.sites} layers,"
        f" {measured.neurons:,} neurons, {measured.edges:,} edges, {measured.error:.0e},"
        f" float32 {measured.single:.0e}, {measured.capture:.1f} + {measured.trace:.1f} s"
    )


def row(measured: Measured) -> str:
    """A result as a row of the table."""
    if measured.outcome != "lawful":
        said = measured.said.replace("|", "\\|")
        return f"| `{measured.name}` | {measured.outcome}: {said} |{' |' * (len(COLUMNS) - 2)}\n"
    cells = (
        f"`{measured.name}`",
        f"{measured.sites}",
        f"{measured.neurons:,}",
        f"{measured.edges:,}",
        f"{measured.error:.0e}",
        f"{measured.single:.0e}",
        f"{measured.capture + measured.trace:.1f}",
    )
    return f"| {' | '.join(cells)} |\n"


def table(results: dict[Key, Measured], corpora: tuple[str, ...]) -> str:
    """The rows of some corpora, a table for each."""
    parts = []
    for corpus in corpora:
        rows = [row(measured) for (of, _), measured in sorted(results.items()) if of == corpus]
        if rows:
            parts.append(f"**{corpus}**\n\n{HEAD}{''.join(rows)}")
    return "\n".join(parts)


def write_table(results: dict[Key, Measured], corpora: tuple[str, ...]) -> None:
    """Write the table between its marks."""
    write(table(results, corpora), DOCUMENT, MARKS)


def summary(results: list[Measured]) -> str:
    """How many networks came to each outcome, by corpus."""
    counts: dict[str, dict[str, int]] = {}
    for measured in results:
        mine = counts.setdefault(measured.corpus, {})
        mine[measured.outcome] = mine.get(measured.outcome, 0) + 1
    return "".join(
        f"{corpus}: {sum(mine.values())} networks, "
        + ", ".join(f"{count} {outcome}" for outcome, count in sorted(mine.items()))
        + "\n"
        for corpus, mine in counts.items()
    )
