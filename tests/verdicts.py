"""Made-up verdicts, as ``graphpath.verify`` would have a store keep them."""

from __future__ import annotations

import json

from graphpath.schema import NODE

PLAIN = {"INT64": 3, "STRING": "said 'so'; \"and\" so\non", "DOUBLE": 0.5}


def made(number: int, **given: object) -> dict[str, object]:
    """A verdict's properties, those not given being anything."""
    plain = {name: PLAIN[kind] for name, kind in NODE["Verdict"].properties.items()}
    told = {
        "id": number,
        "made": f"2026-11-{number:02d}T12:00:00+00:00",
        "query": "categories/shared_edges" if number % 2 else "",
        "parameters": json.dumps({"min_categories": number}),
        "decision": "matters",
    }
    assert set(given) <= set(plain)
    return {**plain, **told, **given}


def of(runs: list[str]) -> list[tuple[dict[str, object], list[str]]]:
    """A verdict on each run, and one on the first two together."""
    single = [(made(number), [run]) for number, run in enumerate(runs, 1)]
    return [*single, (made(9, direction="", kind="neurons"), runs[:2])]
