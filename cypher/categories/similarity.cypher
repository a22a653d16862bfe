// How alike the categories' pathways are, layer by layer
//
// Per two class pathways of the run and layer (-1 = all layers together): the number of shared edges and
// of the edges of each, the Jaccard index J of the edge sets, and the weighted
// J = sum min(a, b) / sum max(a, b), where a and b are the class pathways' mean abs(score) per sample,
// divided by their sum in the layer (weights = "raw" leaves out the division). Two empty layers compare
// as null. All layers together: the sums over the layers, compared once. expected_J is the null: the J of
// two independent sets of these sizes drawn from the edges that the network can have, at their expected
// number of shared edges; null where the trace does not say which edges are possible. Pathways are chains,
// so chance gives more than that: gp.significance compares with shuffles that keep every degree.
//
// param run string: the run whose class pathways are compared
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param categories list<int> = []: only these categories (their ids); [] = all
// param layers list<int> = []: only edges into these layers, -1 then being these together; [] = all
// param weights "normalised"|"raw" = "normalised": of the weighted J
// param by_layer bool = true: a row per layer besides; false leaves only -1, a tenth of the rows or so
// param min_weighted_J float = 0.0: only rows with a weighted J of at least this; 0 = all
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// returns: category1 string, category2 string, layer int, shared int, edges1 int, edges2 int, J float,
//   weighted_J float, expected_J float
// :params {run: "", variant: "original", scheme: "classes", categories: [], layers: [], weights:
//   "normalised", by_layer: true, min_weighted_J: 0.0}

// The size of every class pathway in every layer, 0 where it is empty.
MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron), (c:ClassPathway)
WHERE r.class_pathway = c.id AND c.run = $run AND c.variant = $variant AND c.scheme = $scheme
  AND (size($categories) = 0 OR c.category IN $categories)
WITH c.id AS owner, c.samples AS samples, r.layer AS layer, count(*) AS edges,
  sum(r.weight / c.samples) AS total
WHERE size($layers) = 0 OR layer IN $layers
WITH collect({owner: owner, samples: samples, layer: layer, edges: edges, total: total,
  possible: -1}) AS known
MATCH (u:Run)-[:TRACED]->(m:Model)<-[:PART_OF]-(l:Layer), (c:ClassPathway)
WHERE u.id = $run AND c.run = u.id AND c.variant = $variant AND c.scheme = $scheme AND l.number > 0
  AND (size($layers) = 0 OR l.number IN $layers)
  AND (size($categories) = 0 OR c.category IN $categories)
WITH known, collect({owner: c.id, samples: c.samples, layer: l.number, edges: 0, total: 0.0,
  possible: coalesce(l.possible, -1)}) AS blank
// LadybugDB collects null where there is nothing to collect.
UNWIND coalesce(known + blank, blank) AS x
WITH x.owner AS owner, x.samples AS samples, x.layer AS layer, sum(x.edges) AS edges, sum(x.total) AS total,
  max(x.possible) AS possible
// Their edges. -1 is nobody's: it gives each one member without ends, which all have and which carries its
// size, so that pairs which share no edge appear as well.
UNWIND [-1, owner] AS wanted
OPTIONAL MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron)
WHERE r.class_pathway = wanted AND r.layer = layer
WITH a, b, r, wanted, owner, samples, layer, edges, total, possible
WHERE wanted = -1 OR r.layer IS NOT NULL
WITH layer, a.id AS source, b.id AS target, collect({owner: owner, possible: possible,
  n: CASE WHEN r.layer IS NULL THEN 0 ELSE 1 END,
  edges: CASE WHEN r.layer IS NULL THEN edges ELSE 0 END,
  mass: CASE WHEN r.layer IS NOT NULL OR total = 0.0 THEN 0.0 WHEN $weights = 'raw' THEN total ELSE 1.0 END,
  weight: coalesce(r.weight, 0.0) / samples
    / CASE WHEN total = 0.0 OR $weights = 'raw' THEN 1.0 ELSE total END
}) AS sides
UNWIND sides AS x
UNWIND sides AS y
WITH layer, x, y
WHERE x.owner < y.owner
UNWIND [layer, -1] AS level
WITH level, x, y
WHERE $by_layer OR level = -1
WITH x.owner AS one, y.owner AS two, level, sum(x.n * y.n) AS shared, sum(x.edges) AS edges1,
  sum(y.edges) AS edges2, sum(x.mass) AS mass1, sum(y.mass) AS mass2,
  sum(CASE WHEN x.weight < y.weight THEN x.weight ELSE y.weight END) AS least, min(x.possible) AS possible,
  sum(CASE WHEN x.possible > 0 THEN 1.0 * x.edges * y.edges / x.possible ELSE 0.0 END) AS expected
WITH one, two, level, shared, edges1, edges2, edges1 + edges2 - shared AS either, least,
  mass1 + mass2 - least AS most, CASE WHEN possible >= 0 THEN expected END AS expected
WHERE $min_weighted_J <= 0.0 OR (most > 0.0 AND least >= $min_weighted_J * most)
MATCH (c1:ClassPathway), (c2:ClassPathway)
WHERE c1.id = one AND c2.id = two
MATCH (k1:Category), (k2:Category)
WHERE k1.id = c1.category AND k2.id = c2.category
RETURN k1.name AS category1, k2.name AS category2, level AS layer, shared, edges1, edges2,
  CASE WHEN either > 0 THEN 1.0 * shared / either END AS J,
  CASE WHEN most > 0.0 THEN least / most END AS weighted_J,
  CASE WHEN either > 0 THEN expected / (edges1 + edges2 - expected) END AS expected_J
ORDER BY category1, category2, layer
