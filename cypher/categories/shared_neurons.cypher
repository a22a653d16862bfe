// Neurons that several categories share
//
// The neurons on the class pathways of at least min_categories categories (the ends of their edges), those
// of most categories and most samples first. support is, summed over these categories, the number of
// samples on the neuron's best supported edge: at least so many visit it. score_in and score_out are the
// means over these categories of the summed scores per sample of its edges in and out.
//
// param run string: the run whose class pathways are compared
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param min_categories count = 2: the least number of categories
// param layers list<int> = []: only neurons in these layers; [] = all
// param unit "neuron"|"map" = "neuron": neurons, or feature maps (the columns y and x are then -1)
// param limit limit = 1000: at most so many rows
// returns: layer int, neuron int, name string, channel int, y int, x int, categories int, support int,
//   score_in float, score_out float
// :params {run: "", variant: "original", scheme: "classes", min_categories: 2, layers: [], limit: 1000}

MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron), (c:ClassPathway)
WHERE r.class_pathway = c.id AND c.run = $run AND c.variant = $variant AND c.scheme = $scheme
WITH c.id AS owner, r.support AS support, r.score / c.samples AS score, a.id AS source, b.id AS target
UNWIND [{neuron: source, enters: 0.0, leaves: score}, {neuron: target, enters: score, leaves: 0.0}] AS side
WITH side.neuron AS neuron, owner, max(support) AS support, sum(side.enters) AS enters,
  sum(side.leaves) AS leaves
WITH neuron, count(*) AS categories, sum(support) AS support, avg(enters) AS score_in,
  avg(leaves) AS score_out
WHERE categories >= $min_categories
MATCH (n:Neuron)
WHERE n.id = neuron AND (size($layers) = 0 OR n.layer IN $layers)
RETURN n.layer AS layer, neuron, n.name AS name, n.channel AS channel, n.y AS y, n.x AS x, categories,
  support, score_in, score_out
ORDER BY categories DESC, support DESC, layer, neuron
LIMIT $limit
