// What a derived sample's pathway gained and lost
//
// The edges that only one side has, largest abs(score) first, each marked as gained or lost; see
// adversarial/divergence. Neo4j Browser draws gained and lost edges alike, so both pathways are drawn as
// well, joined to the neurons that their edges lead to: an edge into a neuron that is joined to the derived
// sample's pathway alone is gained, into one joined to the original's alone it is lost. change = "gained"
// shows one kind only. Empty unless both samples have pathways.
//
// param original int: the original sample's id
// param derived int: the derived sample's id (adversarial/pairs lists both)
// param change "both"|"gained"|"lost" = "both": which edges
// param unit "neuron"|"map" = "neuron": edges between neurons, or feature maps
// param runs list<string> = []: the runs that hold both sides; [] = all (Python fills in those traced alike)
// param limit limit<r> = 40: at most so many edges
// returns: a node, r relationship, b node, change string, p node, v relationship
// :params {original: 0, derived: 0, change: "both", runs: [], limit: 40}

MATCH (p:Pathway)
WHERE (p.sample = $original OR p.sample = $derived) AND (size($runs) = 0 OR p.run IN $runs)
WITH count(DISTINCT p.sample) AS sides
MATCH (p:Pathway)
WHERE sides = 2 AND (p.sample = $original OR p.sample = $derived) AND (size($runs) = 0 OR p.run IN $runs)
MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron)
WHERE r.pathway = p.id
WITH a, b, max(CASE WHEN p.sample = $original THEN 1 ELSE 0 END) AS n1,
  max(CASE WHEN p.sample = $derived THEN 1 ELSE 0 END) AS n2,
  collect({edge: r, weight: abs(r.score), pathway: p.id}) AS edges
WHERE (n1 = 0 AND $change <> 'lost') OR (n2 = 0 AND $change <> 'gained')
UNWIND edges AS e
WITH a, b, e.edge AS r, e.weight AS weight, e.pathway AS pathway,
  CASE WHEN n1 = 0 THEN 'gained' ELSE 'lost' END AS change
ORDER BY weight DESC, a.id, b.id, pathway
LIMIT $limit
MATCH (p:Pathway)-[v:VISITS]->(b)
WHERE p.id = pathway AND (p.sample = $original OR p.sample = $derived)
RETURN a, r, b, change, p, v
ORDER BY weight DESC, a.id, b.id, pathway
