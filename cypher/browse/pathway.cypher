// One pathway, its strongest routes first
//
// The strength of an edge is that of the strongest route through it, so that the edges of the largest routes
// come first and hang together. Between feature maps a route is as strong as the product of the shares that
// its edges have of what enters their targets.
//
// param pathway int: the pathway's id (pathways/of_sample lists a sample's)
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// param limit limit = 40: at most so many edges
// returns: a node, r relationship, b node
// :params {pathway: 0, limit: 40}

MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron)
WHERE r.pathway = $pathway
RETURN a, r, b
ORDER BY r.rank
LIMIT $limit
