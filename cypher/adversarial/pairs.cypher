// Derived samples and their originals
//
// Every sample that was derived from another (an attack, an occlusion, a shift) and has a pathway in the
// given runs, with the original that it came from, whose pathways are there too. Their ids are what
// divergence, gained_edges and lost_edges take. fooled says that the first prediction is not the one that
// the original's pathway was traced for.
//
// param runs list<string> = []: the runs that hold both sides; [] = all (Python fills in those traced alike)
// param limit limit = 10000: at most so many rows
// returns: derived int, original int, variant string, attack string, epsilon float, label string,
//   original_target int, derived_target int, predicted string, confidence float, fooled bool
// :params {runs: [], limit: 10000}

MATCH (d:Sample)-[f:DERIVED_FROM]->(o:Sample)
MATCH (p:Pathway)
WHERE p.sample = d.id AND (size($runs) = 0 OR p.run IN $runs)
MATCH (q:Pathway)
WHERE q.sample = o.id AND (size($runs) = 0 OR q.run IN $runs)
WITH d, o, f, p.run AS run, min(p.target) AS derived_target, min(q.target) AS original_target
OPTIONAL MATCH (d)-[g:PREDICTED]->(k:Category)
WHERE g.run = run AND g.rank = 1
WITH d, o, f, derived_target, original_target, max(k.name) AS predicted, max(k.label) AS first,
  max(g.confidence) AS confidence
OPTIONAL MATCH (d)-[:LABELLED]->(y:Category)
RETURN d.id AS derived, o.id AS original, d.variant AS variant, f.attack AS attack, f.epsilon AS epsilon,
  y.name AS label, original_target, derived_target, predicted, confidence,
  coalesce(first <> original_target, false) AS fooled
ORDER BY derived, original
LIMIT $limit
