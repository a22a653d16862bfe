// How many edges how many categories share, layer by layer
//
// The edges on the class pathways of the run, counted by the number of categories that have them and the
// layer that they run into; categories/shared_edges names them. A class pathway holds the edges that at least
// min_support of its samples have.
//
// param run string: the run whose class pathways are compared
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// returns: categories int, layer int, edges int
// :params {run: "", variant: "original", scheme: "classes"}

MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron), (c:ClassPathway)
WHERE r.class_pathway = c.id AND c.run = $run AND c.variant = $variant AND c.scheme = $scheme
WITH r.layer AS layer, a.id AS source, b.id AS target, count(*) AS categories
RETURN categories, layer, count(*) AS edges
ORDER BY categories, layer
