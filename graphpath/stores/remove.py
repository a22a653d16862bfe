"""Removing a run, relationship by relationship, where it stands.

Slower by far than a load, so the embedded store does so only for small runs; see LadybugStore.delete.
"""

from __future__ import annotations

from graphpath.stores import predictions, verdicts
from graphpath.stores.session import Session

BATCH = 20
"""Pathways, of images or classes, whose relationships go in one statement: bounds a transaction."""


def remove_run(session: Session, run: str) -> None:
    """Remove ``run``, complete or not: its nodes, the verdicts on it, and the samples, neurons and model that
    only it used.

    Categories stay: they are a vocabulary that runs share.
    """
    model = session.read_column("MATCH (r:Run) WHERE r.id = $run RETURN r.model", {"run": run})[0]
    session.execute("MATCH (r:Run) WHERE r.id = $run SET r.complete = false", {"run": run})
    samples = [int(sample) for sample in session.read_column(predictions.OF_RUN, {"run": run})]
    session.remove(verdicts.REMOVE, "v", {"run": run})
    remove_classes(session, "c.run = $value", run)
    _remove_pathways(session, run)
    parameters = {"run": run}
    session.remove("MATCH (:Sample)-[q:PREDICTED]->(:Category) WHERE q.run = $run", "q", parameters)
    session.remove("MATCH (r:Run) WHERE r.id = $run", "r", parameters)
    session.remove("MATCH (s:Sample) WHERE NOT EXISTS { MATCH (s)<-[:OF_SAMPLE]-(:Pathway) }", "s")
    predictions.update_samples(session, samples)
    session.remove(
        "MATCH (n:Neuron) WHERE n.model = $model AND NOT EXISTS { MATCH (n)<-[:VISITS]-(:Pathway) }",
        "n",
        {"model": model},
    )
    if not session.read_column("MATCH (r:Run) WHERE r.model = $model RETURN r.id LIMIT 1", {"model": model}):
        for label, key in (("FeatureMap", "model"), ("Layer", "model"), ("Model", "id")):
            session.remove(f"MATCH (n:{label}) WHERE n.{key} = $model", "n", {"model": model})


def remove_classes(session: Session, condition: str, value: str) -> None:
    """Remove the class pathways ``c`` of which ``condition`` holds for ``$value``, with their edges."""
    text, parameters = f"MATCH (c:ClassPathway) WHERE {condition}", {"value": value}
    classes = session.read_column(f"{text} RETURN c.id", parameters)
    for start in range(0, len(classes), BATCH):
        some = {"some": classes[start : start + BATCH]}
        for label, kind in (("Neuron", "CLASS_FLOWS_TO"), ("FeatureMap", "MAP_FLOWS_TO")):
            pattern = f"MATCH (:{label})-[r:{kind}]->(:{label}) WHERE r.class_pathway IN $some"
            session.remove(pattern, "r", some)
    session.remove(text, "c", parameters, rows=5)


def _remove_pathways(session: Session, run: str) -> None:
    session.remove("MATCH (q:Route) WHERE q.run = $run", "q", {"run": run}, rows=1000)
    pathways = session.read_column("MATCH (p:Pathway) WHERE p.run = $run RETURN p.id", {"run": run})
    for start in range(0, len(pathways), BATCH):
        some = {"some": pathways[start : start + BATCH]}
        for label, kind in (("Neuron", "FLOWS_TO"), ("FeatureMap", "FLOWS_TO_MAP")):
            session.remove(f"MATCH (:{label})-[r:{kind}]->(:{label}) WHERE r.pathway IN $some", "r", some)
        session.remove("MATCH (p:Pathway) WHERE p.id IN $some", "p", some, rows=1)
