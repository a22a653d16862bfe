"""Every verb with one hostile number: it answers, or refuses in a sentence, and leaves nothing behind."""

from __future__ import annotations

import shutil
from pathlib import Path

from typer.testing import CliRunner

from graphpath.cli.app import app
from graphpath.errors import QueryParameterError
from tests.faults.harness import Attempt, Loop, Wrong
from tests.faults.mutate import Random
from tests.faults.verbs import MODEL, OTHER, STORE, TRACE, VERBS, need

NUMBERS = [
    "nan", "NaN", "inf", "-inf", "-1", "-0.5", "0", "0.0", "-0", "1e309", "1e-320", "1.5", "1.0", "1e3",
    "0x10", "1_0", "-9223372036854775809", "", " ", "x", "²", "١٢", "1,2", ",", "--", "null", "None", "[]",
    "true", "all", "'", "\x1b[31m",
]  # fmt: skip
LARGE = ["2147483648", "9223372036854775807", "9223372036854775808", "1" + "0" * 60]
"""Only where a large number means no more work."""
WORK = {
    "train": {"epochs", "batch", "rate", "size", "seed", "limit"},
    "attack": {"epsilon", "steps", "step-size", "targeted", "limit", "size", "batch", "seed"},
    "trace": {
        *("theta", "sparsity", "target", "routes", "max-edges", "influence", "edge-influence", "floor"),
        *("limit", "size", "batch", "seed"),
    },
    "load": {"min-support"},
    "verify": {"draws", "layers", "limit", "size", "batch", "seed"},
    "report": {"samples", "pairs", "size"},
    "query": {"draws", "hub-share", "timeout", "limit"},
    "export graphml": {"pathway", "limit"},
    "export neuronpedia": {"pathway", "limit"},
    "detect fit": {"share", "false-alarms", "seed"},
    "study": {"seeds", "option"},
}
"""By verb the options that take a number."""
FREE = {"limit", "seed", "min-support", "max-edges", "samples", "pairs", "pathway", "batch", "target"}
"""Those that may be large: what there is bounds the work."""


def _prepare(folder: Path) -> Attempt:
    for name in (MODEL, TRACE, OTHER, STORE):
        need(folder, name)
    cases = [(verb, option) for verb in WORK for option in sorted(WORK[verb])]

    def attempt(random: Random) -> None:
        verb, option = cases[int(random.integers(len(cases)))]
        values = NUMBERS + LARGE if option in FREE else NUMBERS
        place = folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        shutil.copy(folder / STORE, place / STORE)
        value = values[int(random.integers(len(values)))]
        _run([*_words(verb, place), f"--{option}={'images=' if option == 'option' else ''}{value}"])

    return attempt


def _words(verb: str, place: Path) -> list[str]:
    """The verb as it works; a second value of an option counts instead of the first."""
    trace, store = str(place.parent / TRACE), str(place / STORE)
    if verb in VERBS:
        return VERBS[verb].words(place)
    if verb == "query":
        return ["query", "categories/shared_edges", "--store", store, "--null", "degree", "--draws", "5"]
    if verb.startswith("export"):
        return [*verb.split(), trace, "--out", str(place / "exported")]
    if verb == "detect fit":
        return ["detect", "fit", "--store", store, "--out", str(place / "detector.json")]
    small = [
        "--option",
        "images=6",
        "--option",
        "held_out=6",
        "--seeds",
        "1",
        "--out",
        str(place / "studies"),
    ]
    return ["study", "lyu/consistency", *small]


def _run(words: list[str]) -> None:
    done = CliRunner().invoke(app, words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if "should not happen" in done.output or "Traceback" in done.output:
        raise RuntimeError(f"{' '.join(words)}\n{done.output}")
    if done.exit_code:
        if len(done.output.strip()) < 10:
            raise Wrong(f"{' '.join(words)}\nended with {done.exit_code} and said nothing")
        raise QueryParameterError(done.output)


LOOPS = {"options": Loop("every verb with a hostile number as one of its options", _prepare, 40)}
