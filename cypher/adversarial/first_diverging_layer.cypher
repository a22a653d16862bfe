// From which layer on a derived sample's pathway is another
//
// Per derived sample and its original: the first layer in which their pathways' likeness is below the
// threshold, with both likenesses there (null where no layer is), and over all layers together. The
// weighted J is that of normalised abs(score); see adversarial/divergence. Several pathways of one sample
// are united.
//
// param threshold float = 0.5: a likeness below it is a divergence
// param measure "weighted_J"|"J" = "weighted_J": the likeness
// param runs list<string> = []: the runs that hold both sides; [] = all (Python fills in those traced alike)
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// returns: derived int, original int, attack string, epsilon float, layer int?, J float, weighted_J float,
//   J_all float, weighted_J_all float
// :params {threshold: 0.5, measure: "weighted_J", runs: []}

MATCH (d:Sample)-[:DERIVED_FROM]->(o:Sample)
MATCH (p:Pathway)
WHERE p.sample = d.id AND (size($runs) = 0 OR p.run IN $runs)
MATCH (q:Pathway)
WHERE q.sample = o.id AND (size($runs) = 0 OR q.run IN $runs)
WITH DISTINCT d.id AS derived, o.id AS original
UNWIND [original, derived] AS sample
MATCH (p:Pathway)
WHERE p.sample = sample AND (size($runs) = 0 OR p.run IN $runs)
MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron)
WHERE r.pathway = p.id
// All pairs at once: what is kept of an edge decides what a server needs.
WITH derived, r.layer AS layer, a.id AS source, b.id AS target,
  max(CASE WHEN sample = derived THEN 0 ELSE 1 END) AS n1,
  max(CASE WHEN sample = derived THEN 1 ELSE 0 END) AS n2,
  sum(CASE WHEN sample = derived THEN 0.0 ELSE abs(r.score) END) AS weight1,
  sum(CASE WHEN sample = derived THEN abs(r.score) ELSE 0.0 END) AS weight2
WITH derived, layer, sum(n1) AS edges1, sum(n2) AS edges2, sum(weight1) AS total1, sum(weight2) AS total2,
  collect(CASE WHEN n1 = 1 AND n2 = 1 THEN {w1: weight1, w2: weight2} END) AS common
// An edge of one side alone has no least. The blank one keeps layers without any in common; LadybugDB
// collects null there.
UNWIND coalesce(common + [{w1: 0.0, w2: 0.0}], [{w1: 0.0, w2: 0.0}]) AS e
WITH derived, layer, edges1, edges2, total1, total2,
  e.w1 / CASE WHEN total1 = 0.0 THEN 1.0 ELSE total1 END AS w1,
  e.w2 / CASE WHEN total2 = 0.0 THEN 1.0 ELSE total2 END AS w2
WITH derived, layer, edges1, edges2, count(*) - 1 AS shared,
  CASE WHEN total1 = 0.0 THEN 0.0 ELSE 1.0 END + CASE WHEN total2 = 0.0 THEN 0.0 ELSE 1.0 END AS mass,
  sum(CASE WHEN w1 < w2 THEN w1 ELSE w2 END) AS least
UNWIND [{layer: layer, J: 1.0 * shared / (edges1 + edges2 - shared),
  weighted: CASE WHEN mass > 0.0 THEN least / (mass - least) END, shared: shared,
  either: edges1 + edges2 - shared, least: least, most: mass - least}] AS at
WITH derived, sum(at.shared) AS shared, sum(at.either) AS either, sum(at.least) AS least,
  sum(at.most) AS most, collect(at) AS levels,
  min(CASE WHEN $measure = 'J' AND at.J < $threshold THEN at.layer
    WHEN $measure = 'weighted_J' AND at.weighted < $threshold THEN at.layer END) AS first
UNWIND levels AS found
WITH derived, first, shared, either, least, most,
  max(CASE WHEN found.layer = first THEN found.J END) AS J,
  max(CASE WHEN found.layer = first THEN found.weighted END) AS weighted_J
MATCH (d:Sample)-[f:DERIVED_FROM]->(o:Sample)
WHERE d.id = derived
RETURN derived, o.id AS original, f.attack AS attack, f.epsilon AS epsilon, first AS layer, J, weighted_J,
  1.0 * shared / either AS J_all, CASE WHEN most > 0.0 THEN least / most END AS weighted_J_all
ORDER BY derived, original
