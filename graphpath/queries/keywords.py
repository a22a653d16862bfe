"""The words of Cypher that a user's own text may hold, and what may follow each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

BEGIN, OPERAND, AFTER = "begin", "operand", "after"
"""What the reader expects: a clause, an operand, or what follows one."""

READING: Final = {
    "MATCH": OPERAND,
    "OPTIONAL MATCH": OPERAND,
    "WITH": OPERAND,
    "UNWIND": OPERAND,
    "RETURN": OPERAND,
    "CALL": BEGIN,
    "OPTIONAL CALL": BEGIN,
    "FINISH": AFTER,
}
CHANGING: Final = {
    "CREATE": OPERAND,
    "INSERT": OPERAND,
    "MERGE": OPERAND,
    "SET": OPERAND,
    "REMOVE": OPERAND,
    "DELETE": OPERAND,
    "DETACH DELETE": OPERAND,
    "NODETACH DELETE": OPERAND,
    "FOREACH": OPERAND,
    "ON CREATE": AFTER,
    "ON MATCH": AFTER,
}
FOLLOWING: Final = {
    **dict.fromkeys(
        ("WHERE", "ORDER BY", "SKIP", "OFFSET", "LIMIT", "YIELD", "AND", "OR", "XOR", "IN"), OPERAND
    ),
    **dict.fromkeys(("IS", "CONTAINS", "STARTS WITH", "ENDS WITH", "AS", "WHEN", "THEN", "ELSE"), OPERAND),
    **dict.fromkeys(("PATH", "PATHS", "GROUP", "GROUPS", "SHORTEST", "ALL SHORTEST", "TRAIL"), OPERAND),
    **dict.fromkeys(("ACYCLIC", "USING"), OPERAND),
    **dict.fromkeys(("UNION", "UNION ALL", "UNION DISTINCT"), BEGIN),
    **dict.fromkeys(("END", "ASC", "ASCENDING", "DESC", "DESCENDING", "NOT NULL"), AFTER),
}
BATCHED: Final = {
    **dict.fromkeys(("OF", "CONCURRENT"), OPERAND),
    **dict.fromkeys(("ROW", "ROWS", "REPORT STATUS"), AFTER),
    **dict.fromkeys((f"ON ERROR {then}" for then in ("CONTINUE", "BREAK", "FAIL")), AFTER),
}
"""Of CALL { ... } IN TRANSACTIONS."""
BEFORE: Final = frozenset({"NOT", "DISTINCT", "CASE"})
"""What stands before an operand."""
PATHS: Final = frozenset({"ALL", "ANY", "SHORTEST", "TRAIL", "ACYCLIC"})
SUBQUERIES: Final = frozenset({"EXISTS", "COUNT", "COLLECT"})
HINTS: Final = frozenset({"INDEX", "TEXT", "RANGE", "POINT", "SEEK", "SCAN", "JOIN", "ON"})
SHOWN: Final = re.compile(
    r"SHOW (?:(?:ALL|BUILT|IN|USER|DEFINED|FULLTEXT|LOOKUP|POINT|RANGE|TEXT|VECTOR|UNIQUE|UNIQUENESS|KEY)"
    r" |(?:NODE|RELATIONSHIP|REL|EXIST|EXISTENCE|PROPERTY|TYPE) )*"
    r"(?:INDEX|INDEXES|CONSTRAINTS?|FUNCTIONS?|PROCEDURES?)\b"
)
TABLES: Final = {
    "neo4j": re.compile(
        r"(?:CREATE (?:(?:RANGE|TEXT|POINT|FULLTEXT|VECTOR|LOOKUP) )?|DROP )(?:INDEX|CONSTRAINT)\b"
    ),
    "ladybug": re.compile(r"(?:CREATE (?:NODE|REL)|ALTER|DROP) TABLE\b"),
}
"""Changes of the schema, which stand alone."""
LEAVING: Final = frozenset(
    {
        "ALTER",
        "ANALYZE",
        "ATTACH",
        "BEGIN",
        "CHECKPOINT",
        "COMMENT",
        "COMMIT",
        "COPY",
        "CYPHER",
        "DENY",
        "DETACH",
    }
    | {"EXPORT", "EXTENSION", "FORCE", "GRANT", "IMPORT", "INSTALL", "LOAD", "MACRO", "REVOKE", "ROLLBACK"}
    | {"START", "STOP", "TERMINATE", "UNINSTALL", "UPDATE", "USE"}
)
"""What is known to reach beyond the graph: refused as every unknown word is, with a message of its own."""


def suggest_instead(word: str, expects: str, phrases: Iterable[str]) -> str:
    """What to write for a ``word`` that may not stand where it does, and ``phrases`` may."""
    words = {one for phrase in phrases for one in phrase.split()}
    if near := difflib.get_close_matches(word, words, n=1, cutoff=0.7):
        return f"it is no word that may stand there; is {near[0]} meant?"
    if expects == BEGIN:
        return f"no query begins so; it begins with {', '.join(READING)}."
    return "it is no word that may stand there. A name of several words stands in `backticks`."
