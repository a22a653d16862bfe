"""Query files whose text was damaged, read as ``graphpath query FILE`` reads them."""

from __future__ import annotations

from pathlib import Path

from graphpath.queries import find_root, read_folder
from graphpath.queries.files import read_file
from tests.faults.harness import Attempt, Loop
from tests.faults.mutate import Random, mutated

WORDS = (
    "// param k int = 5: how many",
    "// param x:",
    "// param",
    "// returns",
    "// returns a int, a int",
    "// guard",
    "// engine gds",
    "$",
    "$$",
    "$k",
    "`",
    "'",
    '"',
    "/*",
    "*/",
    "//",
    "{",
    "}",
    "\\",
    "\r",
    "\u2028",
    "\x00",
    "-[:X]-",
    "// param k int = 99999999999999999999999: much",
    "// param k float = nan: none",
    "RETURN",
    "LIMIT $k",
    "RETURN ()",
)


def _prepare(folder: Path) -> Attempt:
    queries = list(read_folder(find_root()).values())
    path = folder / "mine.cypher"

    def attempt(random: Random) -> None:
        text = queries[int(random.integers(len(queries)))].text
        path.write_bytes(_damaged(text, random))
        read_file("topic/mine", path)

    return attempt


def _damaged(text: str, random: Random) -> bytes:
    if random.random() < 0.4:
        return mutated(text.encode(), random)
    lines = text.split("\n")
    for _ in range(int(random.integers(1, 5))):
        at = int(random.integers(len(lines) + 1))
        word = WORDS[int(random.integers(len(WORDS)))]
        if random.random() < 0.3:
            del lines[at : at + 1]
        elif random.random() < 0.5 and at < len(lines):
            cut = int(random.integers(len(lines[at]) + 1))
            lines[at] = lines[at][:cut] + word + lines[at][cut:]
        else:
            lines.insert(at, word)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


LOOPS = {"headers": Loop("query files with a damaged header or text", _prepare, 300)}
