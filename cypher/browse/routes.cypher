// The largest routes of a pathway, from pixel to logit
//
// Each as the chain of the pathway's edges that it takes: route is its rank, sign that of its contribution,
// position the place of the edge on it. Of an edge that the budget cut nothing is drawn. A trace without
// recorded routes (routes = 0) has none.
//
// param pathway int: the pathway's id (pathways/of_sample lists a sample's)
// param k top<route> = 5: how many routes
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// returns: a node, r relationship, b node, route int, sign int, position int
// :params {pathway: 0, k: 5}

MATCH (t:Route)-[s:STEP]->(a:Neuron)
WHERE t.pathway = $pathway AND t.rank <= $k
MATCH (t)-[z:STEP]->(b:Neuron)
WHERE z.position = s.position + 1
MATCH (a)-[r:FLOWS_TO]->(b)
WHERE r.pathway = $pathway
RETURN a, r, b, t.rank AS route, t.sign AS sign, s.position AS position
ORDER BY route, position
