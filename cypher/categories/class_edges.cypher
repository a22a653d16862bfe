// The edges of class pathways
//
// Every edge on the class pathways of the run: how many of the class's samples have it, of how many, and its
// mean score and mean abs(score) over all of them. A class pathway holds the edges that at least min_support
// of its samples have.
//
// param run string: the run whose class pathways are asked for
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param labels list<int> = []: only the classes with these labels; [] = all
// param layers list<int> = []: only edges into these layers; [] = all
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// param limit limit = 1000: at most so many rows
// returns: category string, label int, layer int, source int, target int, source_name string,
//   target_name string, support int, samples int, min_support int, score float, weight float
// :params {run: "", variant: "original", scheme: "classes", labels: [], layers: [], limit: 1000}

MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron), (c:ClassPathway)-[:OF_CATEGORY]->(k:Category)
WHERE r.class_pathway = c.id AND c.run = $run AND c.variant = $variant AND c.scheme = $scheme
  AND (size($labels) = 0 OR k.label IN $labels) AND (size($layers) = 0 OR r.layer IN $layers)
RETURN k.name AS category, k.label AS label, r.layer AS layer, a.id AS source, b.id AS target,
  a.name AS source_name, b.name AS target_name, r.support AS support, c.samples AS samples,
  c.min_support AS min_support, r.score / c.samples AS score, r.weight / c.samples AS weight
ORDER BY label, support DESC, weight DESC, layer, source, target
LIMIT $limit
