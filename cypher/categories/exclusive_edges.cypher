// Edges of one category only
//
// The edges that lie on the class pathway of exactly one category of the run, those that most of its
// samples have first. A class pathway holds the edges that at least min_support of its samples have
// (see the ClassPathway), so an edge that is rarer elsewhere counts as exclusive.
//
// param run string: the run whose class pathways are compared
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param categories list<int> = []: only edges exclusive to these categories (their ids); [] = all
// param layers list<int> = []: only edges into these layers; [] = all
// param min_share float = 0.0: the least share of the category's samples that have the edge
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// param limit limit = 1000: at most so many rows
// returns: category string, layer int, source int, target int, source_name string, target_name string,
//   support int, share float, score float, weight float
// :params {run: "", variant: "original", scheme: "classes", categories: [], layers: [], min_share: 0.0,
//   limit: 1000}

MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron), (c:ClassPathway)
WHERE r.class_pathway = c.id AND c.run = $run AND c.variant = $variant AND c.scheme = $scheme
WITH r.layer AS layer, a.id AS source, b.id AS target, a.name AS source_name, b.name AS target_name,
  count(*) AS many, min(c.category) AS owner, sum(r.support) AS support,
  max(1.0 * r.support / c.samples) AS share, sum(r.score / c.samples) AS score,
  sum(r.weight / c.samples) AS weight
WHERE many = 1 AND share >= $min_share AND (size($layers) = 0 OR layer IN $layers)
  AND (size($categories) = 0 OR owner IN $categories)
MATCH (k:Category)
WHERE k.id = owner
RETURN k.name AS category, layer, source, target, source_name, target_name, support, share, score, weight
ORDER BY share DESC, support DESC, weight DESC, layer, source, target
LIMIT $limit
