"""Every verb that writes, on inputs so small that it takes a second: what it needs, and what it makes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.children import done
from tests.faults.harness import Wrong

MODEL, STORE, TRACE, OTHER = "m.pt", "s.lbdb", "trace", "other"
SMALL = ["--limit", "6", "--batch", "2"]


@dataclass(frozen=True)
class Verb:
    """``words(place)`` is the command; it needs copies of ``needs`` and makes or changes ``makes``."""

    words: Callable[[Path], list[str]]
    makes: str
    needs: tuple[str, ...] = ()


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
    files = [str(place.parent / "edges.csv"), "--mapping", str(place.parent / "mapping.json")]
    return ["import", "edges", *files, "--out", str(place / "imported")]


def _report(place: Path) -> list[str]:
    return ["report", "--store", str(place.parent / STORE), "--out", str(place / "report.html")]


VERBS = {
    "train": Verb(_train, "made.pt"),
    "attack": Verb(_attack, "set"),
    "trace": Verb(_trace, TRACE),
    "load": Verb(_load, STORE, (STORE,)),
    "delete": Verb(_delete, STORE, ("two.lbdb",)),
    "verify": Verb(_verify, STORE, (STORE,)),
    "import": Verb(_import, "imported"),
    "report": Verb(_report, "report.html"),
    "unit": Verb(lambda place: ["unit", str(place / "unit")], "unit"),
}
MAPPING = {
    "layers": ["conv1", "conv2"],
    "columns": {"source_layer": "a", "source_channel": "b", "target_layer": "c", "target_channel": "d"}
    | {"weight": "w", "sample": "i", "category": "k"},
}


def make_inputs(folder: Path) -> None:
    """What the verbs need, in ``folder``: a network, two traces, stores of one and of both, some edges."""
    (folder / "first").mkdir()
    done([*_train(folder / "first")[:-1], str(folder / MODEL)], folder / "said")
    for name, seed in ((TRACE, "0"), (OTHER, "1")):
        words = _trace(folder / "first")[:-1]
        done([*words, str(folder / name), "--seed", seed], folder / "said")
    done(["load", str(folder / TRACE), "--store", str(folder / STORE)], folder / "said")
    shutil.copy(folder / STORE, folder / "two.lbdb")
    done(["load", str(folder / OTHER), "--store", str(folder / "two.lbdb")], folder / "said")
    rows = [f"conv1,{n % 7},conv2,{n % 5},{n + 1}.5,{n % 3},{n % 9}" for n in range(315)]
    (folder / "edges.csv").write_text("\n".join(["a,b,c,d,w,k,i", *rows]) + "\n", encoding="utf-8")
    (folder / "mapping.json").write_text(json.dumps(MAPPING), encoding="utf-8")
    shutil.rmtree(folder / "first")


def place_for(folder: Path, name: str, verb: Verb) -> Path:
    """A new folder ``name`` in ``folder`` with what ``verb`` needs of its own."""
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for need in verb.needs:
        shutil.copy(folder / need, place / (STORE if need.endswith(".lbdb") else need))
    return place


def check_same(verb: Verb, place: Path, whole: Path) -> None:
    """Raise Wrong unless the result in ``place`` is that in ``whole``, and nothing else lies there."""
    if left := sorted(entry.name for entry in place.iterdir() if entry.name != verb.makes):
        raise Wrong(f"leftovers: {', '.join(left)}")
    one, other = place / verb.makes, whole / verb.makes
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
