// Edges that several categories share
//
// The edges that lie on the class pathways of at least min_categories categories, those of most
// categories and most samples first. support is the number of samples that have the edge, over all these
// categories; share the mean over these categories of the share of their samples that have it; score and
// weight the means over them of the class pathways' score and abs(score) per sample.
//
// param run string: the run whose class pathways are compared
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param min_categories count = 2: the least number of categories
// param layers list<int> = []: only edges into these layers; [] = all
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// param limit limit = 1000: at most so many rows
// returns: layer int, source int, target int, source_name string, target_name string, categories int,
//   support int, share float, score float, weight float
// :params {run: "", variant: "original", scheme: "classes", min_categories: 2, layers: [], limit: 1000}

MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron), (c:ClassPathway)
WHERE r.class_pathway = c.id AND c.run = $run AND c.variant = $variant AND c.scheme = $scheme
WITH r.layer AS layer, a.id AS source, b.id AS target, a.name AS source_name, b.name AS target_name,
  count(*) AS categories, sum(r.support) AS support, avg(1.0 * r.support / c.samples) AS share,
  avg(r.score / c.samples) AS score, avg(r.weight / c.samples) AS weight
WHERE categories >= $min_categories AND (size($layers) = 0 OR layer IN $layers)
RETURN layer, source, target, source_name, target_name, categories, support, share, score, weight
ORDER BY categories DESC, support DESC, layer, source, target
LIMIT $limit
