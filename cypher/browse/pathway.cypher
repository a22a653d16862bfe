// One pathway, its strongest edges first
//
// param pathway int: the pathway's id (pathways/of_sample lists a sample's)
// param limit limit = 120: at most so many edges
// returns: a node, r relationship, b node
// :params {pathway: 0, limit: 120}

MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron)
WHERE r.pathway = $pathway
RETURN a, r, b
ORDER BY r.rank
LIMIT $limit
