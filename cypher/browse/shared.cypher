// The edges that several categories share
//
// The pairs of neurons that most categories and samples join, in each layer at most per_layer of them. Each
// is drawn once, by the edge of the category that most of its samples support; categories says how many have
// it. See categories/shared_edges.
//
// param run string: the run
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param min_categories count = 2: the least number of categories
// param layers list<int> = []: only edges into these layers; [] = all
// param per_layer count = 10: at most so many edges into each layer
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// param limit limit = 100: at most so many edges
// returns: a node, r relationship, b node, layer int, categories int
// :params {run: "", variant: "original", scheme: "classes", min_categories: 2, layers: [], per_layer: 10,
//   limit: 100}

MATCH (c:ClassPathway)
WHERE c.run = $run AND c.variant = $variant AND c.scheme = $scheme
MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron)
WHERE r.class_pathway = c.id AND (size($layers) = 0 OR r.layer IN $layers)
WITH a.id AS source, b.id AS target, r.layer AS layer, count(*) AS categories, sum(r.support) AS support,
  max(r.support) AS most, collect({owner: c.id, support: r.support}) AS owners
WHERE categories >= $min_categories
UNWIND owners AS o
WITH source, target, layer, categories, support, most, o
WHERE o.support = most
WITH source, target, layer, categories, support, min(o.owner) AS owner
ORDER BY categories DESC, support DESC, source, target
WITH layer, collect({source: source, target: target, categories: categories, support: support,
  owner: owner}) AS found
UNWIND found[0..$per_layer] AS e
MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron)
WHERE a.id = e.source AND b.id = e.target AND r.class_pathway = e.owner
RETURN a, r, b, layer, e.categories AS categories
ORDER BY categories DESC, e.support DESC, a.id, b.id
LIMIT $limit
