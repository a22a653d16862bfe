// The largest routes of a pathway, each with the neurons on it
//
// param pathway int: the pathway's id (pathways/of_sample lists a sample's)
// param k top<t> = 5: how many routes
// returns: t node, s relationship, n node
// :params {pathway: 0, k: 5}

MATCH (t:Route)-[s:STEP]->(n:Neuron)
WHERE t.pathway = $pathway AND t.rank <= $k
RETURN t, s, n
ORDER BY t.rank, s.position
