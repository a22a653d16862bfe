"""Every verb that writes, on inputs so small that it takes a second: what it needs, and what it makes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.children import done
from tests.faults.harness import Wrong

MODEL, STORE, BOTH, TRACE, OTHER, EDGES = "m.pt", "s.lbdb", "both.lbdb", "trace", "other", "edges.csv"
SMALL = ["--limit", "6", "--batch", "2"]


@dataclass(frozen=True)
class Verb:
    """``words(place)`` is the command: of the inputs ``needs`` it changes ``copy``, and makes ``makes``."""

    words: Callable[[Path], list[str]]
    makes: str
    needs: tuple[str, ...] = ()
    copy: str = ""


def _on(place: Path) -> list[str]:
    return ["--model", str(place.parent / MODEL), "--data", "digits", *SMALL]


def _trace(place: Path) -> list[str]:
    return ["trace", *_on(place), "--max-edges", "60", "--routes", "2", "--out", str(place / TRACE)]


def _attack(place: Path) -> list[str]:
    return ["attack", *_on(place), "--steps", "2", "--out", str(place / "set")]


def _train(place: Path) -> list[str]:
    return ["train", "--data", "digits", "--limit", "60", "--epochs", "1", "--out", str(place / "made.pt")]


def _load(place: Path) -> list[str]:
    return ["load", str(place.parent / OTHER), "--store", str(place / STORE)]


def _delete(place: Path) -> list[str]:
    run = json.loads((place.parent / TRACE / "run.json").read_text(encoding="utf-8"))["id"]
    return ["delete", run, "--store", str(place / STORE)]


def _verify(place: Path) -> list[str]:
    chosen = ["verify", "pathways/hubs", "--param", "limit=5", "--draws", "2", "--record"]
    return [*chosen, *_on(place), "--store", str(place / STORE)]


def _import(place: Path) -> list[str]:
    files = [str(place.parent / EDGES), "--mapping", str(place.parent / "mapping.json")]
    return ["import", "edges", *files, "--out", str(place / "imported")]


def _report(place: Path) -> list[str]:
    return ["report", "--store", str(place.parent / STORE), "--out", str(place / "report.html")]


VERBS = {
    "train": Verb(_train, "made.pt"),
    "attack": Verb(_attack, "set", (MODEL,)),
    "trace": Verb(_trace, TRACE, (MODEL,)),
    "load": Verb(_load, STORE, (OTHER,), STORE),
    "delete": Verb(_delete, STORE, (TRACE,), BOTH),
    "verify": Verb(_verify, STORE, (MODEL,), STORE),
    "import": Verb(_import, "imported", (EDGES,)),
    "report": Verb(_report, "report.html", (STORE,)),
    "unit": Verb(lambda place: ["unit", str(place / "unit")], "unit"),
}


def _model(folder: Path) -> None:
    done([*_train(folder)[:-1], str(folder / MODEL)], folder / "said")


def _traced(name: str, seed: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        need(folder, MODEL)
        words = _trace(folder / "first")[:-1]
        done([*words, str(folder / name), "--seed", seed], folder / "said")

    return make


def _store(folder: Path) -> None:
    need(folder, TRACE)
    done(["load", str(folder / TRACE), "--store", str(folder / STORE)], folder / "said")


def _both(folder: Path) -> None:
    need(folder, STORE)
    need(folder, OTHER)
    shutil.copy(folder / STORE, folder / BOTH)
    done(["load", str(folder / OTHER), "--store", str(folder / BOTH)], folder / "said")


def _edges(folder: Path) -> None:
    rows = [f"conv1,{n % 7},conv2,{n % 5},{n + 1}.5,{n % 3},{n % 9}" for n in range(315)]
    (folder / "mapping.json").write_text(json.dumps(MAPPING), encoding="utf-8")
    (folder / EDGES).write_text("\n".join(["a,b,c,d,w,k,i", *rows]) + "\n", encoding="utf-8")


MAPPING = {
    "layers": ["conv1", "conv2"],
    "columns": {"source_layer": "a", "source_channel": "b", "target_layer": "c", "target_channel": "d"}
    | {"weight": "w", "sample": "i", "category": "k"},
}
INPUTS: dict[str, Callable[[Path], None]] = {
    MODEL: _model,
    TRACE: _traced(TRACE, "0"),
    OTHER: _traced(OTHER, "1"),
    STORE: _store,
    BOTH: _both,
    EDGES: _edges,
}


def need(folder: Path, name: str) -> None:
    """Make the input ``name`` in ``folder`` where it is not there."""
    if not (folder / name).exists():
        INPUTS[name](folder)


def place_for(folder: Path, name: str, verb: Verb) -> Path:
    """A new folder ``name`` in ``folder``, with all that ``verb`` needs there or beside it."""
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for needed in (*verb.needs, *([verb.copy] if verb.copy else [])):
        need(folder, needed)
    if verb.copy:
        shutil.copy(folder / verb.copy, place / verb.makes)
    return place


def whole(folder: Path, name: str) -> Path:
    """The undisturbed result of verb ``name``, in ``folder``."""
    verb, place = VERBS[name], folder / f"whole-{name}"
    if not place.exists():
        done(verb.words(place_for(folder, place.name, verb)), folder / "said")
    return place


def check_same(verb: Verb, place: Path, right: Path) -> None:
    """Raise Wrong unless the result in ``place`` is that in ``right``, and nothing else lies there."""
    if left := sorted(entry.name for entry in place.iterdir() if entry.name != verb.makes):
        raise Wrong(f"leftovers: {', '.join(left)}")
    one, other = place / verb.makes, right / verb.makes
    if verb.makes.endswith(".lbdb"):
        done(["same-store", str(one), str(other)], place.parent / "said-same")
    elif (found := _content(one)) != (wanted := _content(other)):
        differ = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise Wrong(f"differs from the undisturbed result: {', '.join(differ)}")


def _content(path: Path) -> dict[str, bytes]:
    """Every file by its name; run.json without what was measured."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    found = {str(file.relative_to(path)): file.read_bytes() for file in files if file.is_file()}
    if "run.json" in found:
        run = json.loads(found["run.json"])
        told = {name: value for name, value in run.items() if name not in ("seconds", "digest")}
        found["run.json"] = json.dumps(told, sort_keys=True).encode()
    return found
