"""A folder of named queries that are not graphpath's own."""

from __future__ import annotations

from pathlib import Path

STRONGEST = """\
// The strongest edges of a run
//
// By |score|, over all pathways.
//
// param run string: the run
// param limit limit = 3: at most so many edges
// guard pathways/samples.samples <= most: raise most, or ask for one variant
// param variant string = "original": only samples of this variant
// param most count = 1000: samples that are too many
// returns: pathway int, source int, target int, score float
// :params {run: "", limit: 3, variant: "original", most: 1000}

MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron)
MATCH (p:Pathway)
WHERE p.id = r.pathway AND p.run = $run AND p.variant = $variant
RETURN p.id AS pathway, a.id AS source, b.id AS target, r.score AS score
ORDER BY abs(score) DESC, pathway, source, target LIMIT $limit
"""
TITLE = "The strongest edges of a run"
NAME = "mine/strongest"


def write_folder(folder: Path, text: str = STRONGEST, name: str = NAME) -> Path:
    """``folder`` with one query in it."""
    path = folder / f"{name}.cypher"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return folder
