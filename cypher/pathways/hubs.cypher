// The busiest neurons
//
// The neurons that most pathways of the run visit, with the share of its pathways, their mean activation
// and their mean abs(score) there. The input and the logits are left out unless with_ends is true.
//
// param run string: the run
// param variants list<string> = []: only samples of these variants; [] = all
// param layers list<int> = []: only these layers; [] = all
// param with_ends bool = false: also the input's and the logits' neurons
// param limit top = 100: at most so many rows
// returns: layer int, neuron int, name string, channel int, y int, x int, pathways int, share float,
//   activation float, score float
// :params {run: "", variants: [], layers: [], with_ends: false, limit: 100}

MATCH (p:Pathway)
WHERE p.run = $run AND (size($variants) = 0 OR p.variant IN $variants)
WITH count(*) AS total
MATCH (p:Pathway)-[v:VISITS]->(n:Neuron)
WHERE p.run = $run AND (size($variants) = 0 OR p.variant IN $variants)
WITH n.id AS neuron, total, count(*) AS pathways, avg(v.activation) AS activation, avg(abs(v.score)) AS score
MATCH (n:Neuron)-[:IN_MAP]->(:FeatureMap)-[:IN_LAYER]->(l:Layer)
WHERE n.id = neuron AND (size($layers) = 0 OR n.layer IN $layers)
  AND ($with_ends OR (l.kind <> 'input' AND l.kind <> 'logits'))
RETURN n.layer AS layer, neuron, n.name AS name, n.channel AS channel, n.y AS y, n.x AS x, pathways,
  1.0 * pathways / total AS share, activation, score
ORDER BY pathways DESC, score DESC, neuron
LIMIT $limit
