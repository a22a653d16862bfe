// The edges that several categories share
//
// The limit pairs of neurons that most categories and samples join, each with the edge of every category
// that has it; see categories/shared_edges.
//
// param run string: the run
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param min_categories count = 2: the least number of categories
// param limit limit<a,b> = 100: at most so many pairs of neurons
// returns: a node, r relationship, b node, categories int
// :params {run: "", variant: "original", scheme: "classes", min_categories: 2, limit: 100}

MATCH (c:ClassPathway)
WHERE c.run = $run AND c.variant = $variant AND c.scheme = $scheme
MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron)
WHERE r.class_pathway = c.id
WITH a, b, count(*) AS categories, sum(r.support) AS support
WHERE categories >= $min_categories
WITH a, b, categories, support
ORDER BY categories DESC, support DESC, a.id, b.id
LIMIT $limit
MATCH (a)-[r:CLASS_FLOWS_TO]->(b)
MATCH (c:ClassPathway)
WHERE c.id = r.class_pathway AND c.run = $run AND c.variant = $variant AND c.scheme = $scheme
RETURN a, r, b, categories
ORDER BY categories DESC, support DESC, a.id, b.id, r.class_pathway
