// How much more alike pathways of one category are than pathways of two
//
// Per layer (-1 = all layers together): the mean Jaccard index of the edge sets of two pathways whose
// samples are of the same category (J_within) and of two (J_between), and the same for the weighted
// J = sum min(a, b) / sum max(a, b) of abs(score), divided by the layer's sum in the pathway
// (weights = "raw" leaves out the division). J_between is the null of J_within. pairs_within and
// pairs_between count the pairs that are not both empty there; two pathways of one sample are no pair.
//
// param run string: the run whose pathways are compared
// param variant string = "original": of the samples
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param layers list<int> = []: only edges into these layers, -1 then being these together; [] = all
// param weights "normalised"|"raw" = "normalised": of the weighted J
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// param max_samples limit = 200: refuse runs of more samples, for every pair is compared
// guard pathways/samples.samples <= max_samples: raise max_samples, or compute it from the trace with
//   graphpath.analysis.consistency, which needs no engine
// returns: layer int, pairs_within int, pairs_between int, J_within float, J_between float,
//   weighted_J_within float, weighted_J_between float
// :params {run: "", variant: "original", scheme: "classes", layers: [], weights: "normalised",
//   max_samples: 200}

// The size of every pathway in every layer, 0 where it is empty.
MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron), (p:Pathway)
WHERE r.pathway = p.id AND p.run = $run AND p.variant = $variant
WITH p.id AS owner, p.sample AS sample, r.layer AS layer, count(*) AS edges, sum(abs(r.score)) AS total
WHERE size($layers) = 0 OR layer IN $layers
WITH collect({owner: owner, sample: sample, label: -2, layer: layer, edges: edges, total: total}) AS known
// The number of each sample's category; samples in none are left out.
MATCH (p:Pathway)-[:OF_SAMPLE]->(s:Sample)
WHERE p.run = $run AND p.variant = $variant
OPTIONAL MATCH (s)-[:LABELLED]->(k:Category)-[:IN_CATEGORY]->(g:Category)
WHERE g.scheme = $scheme
WITH known, p, CASE WHEN $scheme = 'classes' THEN p.label ELSE g.label END AS grouped
WITH known, p, coalesce(grouped, -2) AS label
WHERE label > -2
MATCH (u:Run)-[:TRACED]->(m:Model)<-[:PART_OF]-(l:Layer)
WHERE u.id = $run AND l.number > 0 AND (size($layers) = 0 OR l.number IN $layers)
WITH known, collect({owner: p.id, sample: p.sample, label: label, layer: l.number, edges: 0,
  total: 0.0}) AS blank
// LadybugDB collects null where there is nothing to collect.
UNWIND coalesce(known + blank, blank) AS x
WITH x.owner AS owner, x.sample AS sample, max(x.label) AS label, x.layer AS layer, sum(x.edges) AS edges,
  sum(x.total) AS total
WHERE label > -2
// Their edges. -1 is nobody's: it gives each one member without ends, which all have, so that pairs which
// share no edge appear as well.
UNWIND [-1, owner] AS wanted
OPTIONAL MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron)
WHERE r.pathway = wanted AND r.layer = layer
WITH layer, a.id AS source, b.id AS target, collect({owner: owner, sample: sample, label: label,
  edges: edges,
  n: CASE WHEN r.layer IS NULL THEN 0 ELSE 1 END,
  mass: CASE WHEN total = 0.0 THEN 0.0 WHEN $weights = 'raw' THEN total ELSE 1.0 END,
  weight: coalesce(abs(r.score), 0.0) / CASE WHEN total = 0.0 OR $weights = 'raw' THEN 1.0 ELSE total END
}) AS sides
UNWIND sides AS x
UNWIND sides AS y
WITH layer, x, y
WHERE x.owner < y.owner AND x.sample <> y.sample
WITH x.owner AS one, y.owner AS two, layer, max(CASE WHEN x.label = y.label THEN 1 ELSE 0 END) AS same,
  sum(x.n * y.n) AS shared, max(x.edges) AS edges1, max(y.edges) AS edges2, max(x.mass) AS mass1,
  max(y.mass) AS mass2, sum(CASE WHEN x.weight < y.weight THEN x.weight ELSE y.weight END) AS least
UNWIND [layer, -1] AS level
WITH one, two, same, level, sum(shared) AS shared, sum(edges1) AS edges1, sum(edges2) AS edges2,
  sum(least) AS least, sum(mass1) AS mass1, sum(mass2) AS mass2
WITH same, level, shared, edges1 + edges2 - shared AS either, least, mass1 + mass2 - least AS most
UNWIND [{J: CASE WHEN either > 0 THEN 1.0 * shared / either END,
  weighted: CASE WHEN most > 0.0 THEN least / most END}] AS pair
RETURN level AS layer, count(CASE WHEN same = 1 THEN pair.J END) AS pairs_within,
  count(CASE WHEN same = 0 THEN pair.J END) AS pairs_between,
  avg(CASE WHEN same = 1 THEN pair.J END) AS J_within,
  avg(CASE WHEN same = 0 THEN pair.J END) AS J_between,
  avg(CASE WHEN same = 1 THEN pair.weighted END) AS weighted_J_within,
  avg(CASE WHEN same = 0 THEN pair.weighted END) AS weighted_J_between
ORDER BY layer
