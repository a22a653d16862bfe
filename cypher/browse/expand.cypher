// What one pathway does around a neuron: its edges into it and out of it
//
// Neo4j Browser's own "expand" (a double click) follows the relationships of all pathways that are stored;
// this is of one. Heaviest abs(score) first.
//
// param neuron int: the neuron's id; with unit = "map" the feature map's
// param pathway int: the pathway's id (pathways/of_sample lists a sample's)
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// param limit limit = 40: at most so many edges
// returns: a node, r relationship, b node
// :params {neuron: 0, pathway: 0, limit: 40}

MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron)
WHERE r.pathway = $pathway AND (a.id = $neuron OR b.id = $neuron)
RETURN a, r, b
ORDER BY abs(r.score) DESC, a.id, b.id
LIMIT $limit
