"""How far a load is: one ``GraphpathLoad`` node per unfinished load, gone when it is finished.

It holds, per relationship type, the rows that are stored, and is changed in the transaction that stores
them. So a load that was interrupted anywhere, on either side, goes on exactly behind the last row that the
server kept. ``holder`` is the process that loads: a second one takes it over and the first one stops.
"""

from __future__ import annotations

from typing import Final

from graphpath.schema import RELATIONSHIP

CONSTRAINT: Final = (
    "CREATE CONSTRAINT graphpath_GraphpathLoad IF NOT EXISTS FOR (n:GraphpathLoad) REQUIRE n.id IS UNIQUE"
)
PLAN: Final = "MATCH (l:GraphpathLoad {id: $run}) RETURN l.plan AS plan"
START: Final = "MERGE (l:GraphpathLoad {id: $run}) ON CREATE SET l.plan = $plan SET l.holder = $holder"
FORGET: Final = "MATCH (l:GraphpathLoad {id: $run}) DELETE l"
FINISH: Final = """
MATCH (l:GraphpathLoad {id: $run}), (r:Run {id: $run}) WHERE l.holder = $holder
SET r.complete = true DELETE l RETURN r.id AS run
"""
TALLY: Final = {
    "FLOWS_TO": """
        MATCH (p:Pathway) WHERE p.run = $run
        CALL (p) { MATCH ()-[r:FLOWS_TO]->() WHERE r.pathway = p.id RETURN count(r) AS edges }
        RETURN sum(edges) AS stored""",
    "VISITS": """
        MATCH (p:Pathway) WHERE p.run = $run RETURN sum(COUNT { (p)-[:VISITS]->() }) AS stored""",
    "STEP": "MATCH (q:Route) WHERE q.run = $run RETURN sum(COUNT { (q)-[:STEP]->() }) AS stored",
}


def stored_statement(name: str) -> str:
    """How many rows of the relationship type ``name`` are stored."""
    return f"MATCH (l:GraphpathLoad {{id: $run}}) RETURN coalesce(l.{_check_known(name)}, 0) AS stored"


def advance_statement(name: str) -> str:
    """From ``$before`` to ``$after`` rows of ``name`` where it stands there; returns where it stood."""
    key = _check_known(name)
    return (
        "MATCH (l:GraphpathLoad {id: $run}) WHERE l.holder = $holder SET l.touched = timestamp() "
        f"WITH l, coalesce(l.{key}, 0) AS stored "
        f"SET l.{key} = CASE WHEN stored = $before THEN $after ELSE stored END RETURN stored"
    )


def _check_known(name: str) -> str:
    return RELATIONSHIP[name].name
