// The neurons of a pathway, with their activation and score
//
// Largest abs(score) first. The neurons of layer 0 are the pixels that the pathway starts from, and their
// activation is the pixel's value.
//
// param pathway int: the pathway's id (pathways/of_sample lists a sample's)
// param layers list<int> = []: only these layers; [] = all
// param limit limit = 10000: at most so many rows
// returns: layer int, neuron int, name string, channel int, y int, x int, activation float, score float
// :params {pathway: 0, layers: [], limit: 10000}

MATCH (p:Pathway)-[v:VISITS]->(n:Neuron)
WHERE p.id = $pathway AND (size($layers) = 0 OR n.layer IN $layers)
RETURN n.layer AS layer, n.id AS neuron, n.name AS name, n.channel AS channel, n.y AS y, n.x AS x,
  v.activation AS activation, v.score AS score
ORDER BY abs(score) DESC, neuron
LIMIT $limit
