"""The lint refuses what the engines answer differently, and what one of them lacks."""

from __future__ import annotations

import pytest

from graphpath.queries import catalogue, lint

REFUSED = {
    "only reads": [
        "CREATE (n:Neuron {id: 1})",
        "MATCH (n:Neuron) SET n.layer = 1",
        "MATCH (n:Neuron) DETACH DELETE n",
        "MERGE (n:Neuron {id: 1}) RETURN n",
        "COPY Neuron FROM 'x'",
        "MATCH (n:Neuron) REMOVE n.name",
    ],
    "aggregate after WITH": [
        "MATCH (n:Neuron) WITH n.layer AS w ORDER BY w DESC LIMIT 3 RETURN sum(w) AS s",
        "MATCH (n:Neuron) WITH n ORDER BY n.id LIMIT 3 MATCH (n)-[r:IN_MAP]->(f:FeatureMap) "
        "RETURN f.id AS f, count(*) AS many",
    ],
    "put the DISTINCT one last": [
        "MATCH (n:Neuron) RETURN n.layer AS layer, count(DISTINCT n.channel) AS maps, count(*) AS many",
    ],
    "ORDER BY without LIMIT": ["MATCH (n:Neuron) WITH n ORDER BY n.id RETURN n.id AS id"],
    "in one MATCH": [
        "MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron)<-[s:FLOWS_TO]-(c:Neuron) RETURN count(*) AS n",
        "MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron), (a)-[s:FLOWS_TO]->(b) WHERE r.rank = s.rank "
        "RETURN count(*) AS n",
        "MATCH (a:Neuron)-[:IN_MAP]->(f:FeatureMap), (b:Neuron)-[:IN_MAP]->(f) RETURN count(*) AS n",
    ],
    "not the same on both engines": [
        "MATCH (n:Route) RETURN log(n.log10_abs) AS x",
        "MATCH (n:Route) RETURN ln(n.log10_abs) AS x",
        "MATCH (n:Neuron) RETURN substring(n.name, 0, 2) AS x",
        "MATCH (n:Neuron) RETURN labels(n) AS x",
        "MATCH (n:Neuron) RETURN toFloat(n.layer) AS x",
        "MATCH (n:Neuron) RETURN stDev(n.layer) AS x",
        "MATCH (n:Neuron) RETURN head(collect(n.layer)) AS x",
        "MATCH (n:Neuron) RETURN list_transform(collect(n.layer), x -> x) AS x",
        "MATCH (n:Neuron) RETURN elementId(n) AS x",
        "MATCH (n:Neuron) WHERE all(x IN $xs WHERE x > 1) RETURN n.id AS x",
    ],
    "count from 0": [
        "MATCH (n:Neuron) WITH collect(n.id) AS ids RETURN ids[0] AS x",
        "MATCH (n:Neuron) RETURN collect(n.id)[1..2] AS x",
        "MATCH (n:Neuron) WHERE n.id = $ids[0] RETURN n.id AS x",
    ],
    "list comprehension": ["MATCH (n:Neuron) WITH collect(n.id) AS ids RETURN [x IN ids WHERE x > 1] AS x"],
    "pattern comprehension": ["MATCH (n:Neuron) RETURN [(n)-[:IN_MAP]->(f:FeatureMap) | f.id] AS x"],
    "map projection": ["MATCH (n:Neuron) RETURN n {.id, .name} AS x"],
    "means both on Neo4j": ["MATCH (n:Neuron:Layer) RETURN n.id AS x"],
    "one label or type": [
        "MATCH (n:Neuron|Layer) RETURN n.id AS x",
        "MATCH (a:Neuron)-[r:FLOWS_TO|IN_MAP]->(b:Neuron) RETURN count(*) AS n",
    ],
    "no WHERE in a pattern": ["MATCH (n:Neuron WHERE n.id = 1) RETURN n.id AS x"],
    "no label test": ["MATCH (n:Neuron) WHERE n:Layer RETURN n.id AS x"],
    "bound every variable length": [
        "MATCH (a:Neuron)-[r:FLOWS_TO*]->(b:Neuron) RETURN count(*) AS n",
        "MATCH (a:Neuron)-[r:FLOWS_TO*2..]->(b:Neuron) RETURN count(*) AS n",
    ],
    "name the type": [
        "MATCH (a:Neuron)-->(b:Neuron) RETURN count(*) AS n",
        "MATCH (a:Neuron)-[r]->(b:Neuron) RETURN count(*) AS n",
    ],
    "quantified": ["MATCH (a:Neuron)-[r:FLOWS_TO]->{1,3}(b:Neuron) RETURN count(*) AS n"],
    "shortest": ["MATCH p = shortestPath((a:Neuron)-[:FLOWS_TO*1..3]->(b:Neuron)) RETURN count(*) AS n"],
    "CALL subquery": ["MATCH (n:Neuron) CALL (n) { MATCH (n) RETURN 1 AS x } RETURN x"],
    "with its MATCH": ["MATCH (n:Neuron) WHERE EXISTS { (n)-[:IN_MAP]->(:FeatureMap) } RETURN n.id AS x"],
    "reserved word": ["MATCH (n:Neuron) RETURN n.id AS index", "MATCH (n:Neuron) RETURN n.id AS only"],
    "no parameter is ever null": ["MATCH (n:Neuron) WHERE $x IS NULL OR n.id = $x RETURN n.id AS x"],
    "matches nulls": ["MATCH (n:Neuron) WHERE coalesce(n.id = $x, true) RETURN n.id AS x"],
    "without a semicolon": ["MATCH (n:Neuron) RETURN n.id AS x;"],
    "joining strings": ["MATCH (n:Neuron) RETURN n.name || 'x' AS x"],
    "a sum of nothing": ["MATCH (n:Layer) RETURN sum(CASE WHEN n.width > 1 THEN n.height END) AS x"],
    "no grouping key": ["MATCH (n:Layer) RETURN sum(n.height) / n.width AS x"],
    "there is no label": ["MATCH (n:Neurone) RETURN n.id AS x"],
    "there is no relationship type": ["MATCH (a:Neuron)-[r:FLOWS]->(b:Neuron) RETURN count(*) AS n"],
    "has no property": [
        "MATCH (n:Neuron) RETURN n.chanel AS x",
        "MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron) RETURN r.weight AS x",
    ],
}

ALLOWED = [
    "MATCH (n:Layer) RETURN sum(CASE WHEN n.width > 1 THEN n.height ELSE 0 END) AS x, "
    "max(CASE WHEN n.width > 1 THEN n.height END) AS y",
    "MATCH (a:Neuron)-[r:FLOWS_TO*1..3]->(b:Neuron) RETURN count(*) AS n",
    "MATCH (t:Route)-[r:STEP]->(a:Neuron), (t)-[s:STEP]->(b:Neuron) WHERE s.position = r.position + 1 "
    "RETURN count(*) AS n",
    "MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron), (a)-[s:FLOWS_TO]->(b) WHERE r.rank <> s.rank "
    "RETURN count(*) AS n",
    "MATCH (n:Neuron) WHERE size($xs) = 0 OR n.id IN $xs RETURN n.id AS x ORDER BY x LIMIT $k",
    "MATCH (n:Neuron) WHERE n.layer IN [1, 2] RETURN collect({a: n.id}) + [{a: 1}] AS x",
    "MATCH (n:Neuron) WHERE EXISTS { MATCH (n)-[:IN_MAP]->(:FeatureMap) } RETURN n.id AS x",
    "MATCH (n:Neuron) WITH n ORDER BY n.id LIMIT 3 MATCH (n)-[r:IN_MAP]->(f:FeatureMap) RETURN n.id AS x",
    'MATCH (n:Neuron) RETURN n.name AS x // log(x); CREATE, and "SET" in a comment',
    "MATCH (n:Neuron) WHERE n.name <> 'CREATE; log(x) [0]' RETURN n.id AS x",
    "MATCH (n:Layer) WITH n.width AS w, sum(n.height) AS h RETURN CASE WHEN w > 0 THEN 1.0 * h / w END AS x",
]


@pytest.mark.parametrize(
    ("words", "text"), [(words, text) for words, texts in REFUSED.items() for text in texts]
)
def test_what_differs_is_refused(words: str, text: str) -> None:
    messages = [fault.message for fault in lint.check(text)]
    assert any(words.lower() in message.lower() for message in messages), messages


@pytest.mark.parametrize("text", ALLOWED)
def test_what_both_share_is_allowed(text: str) -> None:
    assert lint.check(text) == []


def test_a_fault_is_given_with_its_line() -> None:
    (fault,) = lint.check("MATCH (n:Neuron)\n// log(x)\nRETURN\n  log(n.layer) AS x")
    assert fault.line == 4


def test_a_twin_may_use_its_engines_own_words_but_not_write() -> None:
    assert lint.check("MATCH (n:Neuron) RETURN log(n.layer) AS x", portable=False) == []
    assert lint.check("MATCH (n:Neuron) DELETE n", portable=False)


PROJECTED = "MATCH (n:Neuron) WITH gds.graph.project('p', n) AS g CALL gds.wcc.stream('p') YIELD nodeId "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PROJECTED + "RETURN nodeId AS id", "drop with gds.graph.drop"),
        (PROJECTED.replace("stream", "write") + "CALL gds.graph.drop('p') YIELD graphName", "only reads"),
        (PROJECTED + "CALL gds.graph.drop('p') YIELD graphName SET n.id = 1", "SET is refused"),
        (PROJECTED.replace("Neuron", "Neurone") + "CALL gds.graph.drop('p') YIELD graphName", "no label"),
    ],
)
def test_what_only_one_engine_takes_is_checked_too(text: str, message: str) -> None:
    (fault,) = lint.check(text, portable=False)
    assert message in fault.message
    assert lint.check(PROJECTED + "CALL gds.graph.drop('p') YIELD graphName", portable=False) == []


def test_every_shipped_query_passes() -> None:
    for query in catalogue().values():
        both = not (query.needs_gds or query.twins)
        for text in (query.text, *query.twins.values()):
            assert lint.check(text, portable=both) == [], query.name
