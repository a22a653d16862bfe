// Where a derived sample's pathway leaves its original's, layer by layer
//
// Per layer (-1 = all layers together) the edges of the original's and of the derived sample's pathways
// compared: how many both have, were gained and lost, and are reweighted (in both, with the sign of their
// score changed or with normalised abs(score) differing by a factor of ratio); the Jaccard index J of the
// edge sets; and the weighted J = sum min(a, b) / sum max(a, b) of abs(score), divided by the layer's sum
// on its side (weights = "raw" leaves out the division). Two empty layers compare as null. Several
// pathways of one sample are united, their scores summed. Empty unless both samples have pathways.
// expected_J is the null: the J of two independent sets of these sizes drawn from the edges that the network
// can have, at their expected number of shared edges; null where the trace does not say which edges are
// possible. categories/consistency gives what other samples give, gp.significance what shuffles do.
//
// param original int: the original sample's id
// param derived int: the derived sample's id (adversarial/pairs lists both)
// param ratio float = 2.0: from which factor on a weight counts as changed
// param layers list<int> = []: only edges into these layers, -1 then being these together; [] = all
// param weights "normalised"|"raw" = "normalised": of the weighted J, and of what counts as reweighted
// param runs list<string> = []: the runs that hold both sides; [] = all (Python fills in those traced alike)
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// returns: layer int, name string, J float, weighted_J float, shared int, gained int, lost int,
//   reweighted int, edges_original int, edges_derived int, expected_J float
// :params {original: 0, derived: 0, ratio: 2.0, layers: [], weights: "normalised", runs: []}

// One grouped scan: each edge with what both sides make of it.
MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron), (p:Pathway)
WHERE r.pathway = p.id AND (p.sample = $original OR p.sample = $derived)
  AND (size($runs) = 0 OR p.run IN $runs)
WITH r.layer AS layer, a, b,
  max(CASE WHEN p.sample = $original THEN 1 ELSE 0 END) AS n1,
  max(CASE WHEN p.sample = $derived THEN 1 ELSE 0 END) AS n2,
  sum(CASE WHEN p.sample = $original THEN r.score ELSE 0.0 END) AS score1,
  sum(CASE WHEN p.sample = $derived THEN r.score ELSE 0.0 END) AS score2,
  sum(CASE WHEN p.sample = $original THEN abs(r.score) ELSE 0.0 END) AS weight1,
  sum(CASE WHEN p.sample = $derived THEN abs(r.score) ELSE 0.0 END) AS weight2
WHERE size($layers) = 0 OR layer IN $layers
WITH layer, sum(weight1) AS total1, sum(weight2) AS total2, collect({n1: n1, n2: n2, score1: score1,
  score2: score2, weight1: weight1, weight2: weight2}) AS members
UNWIND members AS e
WITH layer, e.n1 AS n1, e.n2 AS n2, e.score1 AS score1, e.score2 AS score2,
  e.weight1 / CASE WHEN total1 = 0.0 OR $weights = 'raw' THEN 1.0 ELSE total1 END AS w1,
  e.weight2 / CASE WHEN total2 = 0.0 OR $weights = 'raw' THEN 1.0 ELSE total2 END AS w2
UNWIND [{n1: n1, n2: n2, w1: w1, w2: w2,
  turned: (score1 > 0.0 AND score2 < 0.0) OR (score1 < 0.0 AND score2 > 0.0)}] AS e
WITH layer, count(CASE WHEN e.n1 = 1 THEN 1 END) AS edges1, count(CASE WHEN e.n2 = 1 THEN 1 END) AS edges2,
  count(CASE WHEN e.n1 = 1 AND e.n2 = 1 THEN 1 END) AS shared,
  count(CASE WHEN e.n1 = 1 AND e.n2 = 1
    AND (e.turned OR e.w1 >= $ratio * e.w2 OR e.w2 >= $ratio * e.w1) THEN 1 END) AS reweighted,
  sum(CASE WHEN e.w1 < e.w2 THEN e.w1 ELSE e.w2 END) AS least,
  sum(CASE WHEN e.w1 < e.w2 THEN e.w2 ELSE e.w1 END) AS most
WITH collect({layer: layer, name: '', edges1: edges1, edges2: edges2, shared: shared,
  reweighted: reweighted, least: least, most: most, possible: -1}) AS known
// Layers where both are empty appear too.
MATCH (p:Pathway)-[:FROM_RUN]->(:Run)-[:TRACED]->(:Model)<-[:PART_OF]-(l:Layer), (q:Pathway)
WHERE p.sample = $original AND q.sample = $derived AND l.number > 0
  AND (size($runs) = 0 OR p.run IN $runs) AND (size($runs) = 0 OR q.run IN $runs)
  AND (size($layers) = 0 OR l.number IN $layers)
WITH known, collect(DISTINCT {layer: l.number, name: l.name, edges1: 0, edges2: 0, shared: 0,
  reweighted: 0, least: 0.0, most: 0.0, possible: coalesce(l.possible, -1)}) AS blank
UNWIND coalesce(known + blank, blank) AS x
WITH x.layer AS layer, max(x.name) AS called, sum(x.edges1) AS n1, sum(x.edges2) AS n2, sum(x.shared) AS both,
  sum(x.reweighted) AS changed, sum(x.least) AS least, sum(x.most) AS most, max(x.possible) AS pairs
UNWIND [layer, -1] AS level
WITH level, max(CASE WHEN level = -1 THEN 'all layers' ELSE called END) AS name, sum(n1) AS edges1,
  sum(n2) AS edges2, sum(both) AS shared, sum(changed) AS reweighted, sum(least) AS least, sum(most) AS most,
  min(pairs) AS possible, sum(CASE WHEN pairs > 0 THEN 1.0 * n1 * n2 / pairs ELSE 0.0 END) AS chance
WITH level, name, edges1, edges2, shared, reweighted, least, most, edges1 + edges2 AS edges,
  CASE WHEN possible >= 0 THEN chance END AS expected
RETURN level AS layer, name,
  CASE WHEN edges > 0 THEN 1.0 * shared / (edges - shared) END AS J,
  CASE WHEN most > 0.0 THEN least / most END AS weighted_J, shared, edges2 - shared AS gained,
  edges1 - shared AS lost, reweighted, edges1 AS edges_original, edges2 AS edges_derived,
  CASE WHEN edges > 0 THEN expected / (edges - expected) END AS expected_J
ORDER BY layer
