// What a derived sample's way gained and lost
//
// The edges that only one side has, largest abs(score) first, each marked as gained or lost; see
// adversarial/divergence.
//
// param original int: the original sample's id
// param derived int: the derived sample's id (adversarial/pairs lists both)
// param runs list<string> = []: the runs that hold both sides; [] = all (Python fills in those traced alike)
// param limit count = 200: at most so many edges
// returns: a node, r relationship, b node, change string
// :params {original: 0, derived: 0, runs: [], limit: 200}

MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron), (p:Pathway)
WHERE r.pathway = p.id AND (p.sample = $original OR p.sample = $derived)
  AND (size($runs) = 0 OR p.run IN $runs)
WITH a, b, max(CASE WHEN p.sample = $original THEN 1 ELSE 0 END) AS n1,
  max(CASE WHEN p.sample = $derived THEN 1 ELSE 0 END) AS n2, max(abs(r.score)) AS weight,
  collect({edge: r, weight: abs(r.score)}) AS edges
WHERE n1 = 0 OR n2 = 0
UNWIND edges AS e
RETURN a, e.edge AS r, b, CASE WHEN n1 = 0 THEN 'gained' ELSE 'lost' END AS change
ORDER BY e.weight DESC, a.id, b.id
LIMIT $limit
