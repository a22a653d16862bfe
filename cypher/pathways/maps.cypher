// The feature maps of a pathway, the weightiest first
//
// weight is the sum of abs(score) over the neurons of the map that the pathway visits, score their sum, and
// activation the largest of theirs. title is the layer's; maps/examples shows what a map stands for. Of layer
// 0 the maps are the colours of the image. Runs of the method channels visit no neurons: there are no rows.
//
// param pathway int: the pathway's id (pathways/of_sample lists a sample's)
// param layers list<int> = []: only these layers; [] = all
// param limit limit = 100: at most so many rows
// returns: layer int, map int, title string, channel int, name string, neurons int, weight float,
//   score float, activation float
// :params {pathway: 0, layers: [], limit: 100}

MATCH (p:Pathway)-[v:VISITS]->(n:Neuron)-[:IN_MAP]->(f:FeatureMap)-[:IN_LAYER]->(l:Layer)
WHERE p.id = $pathway AND (size($layers) = 0 OR f.layer IN $layers)
WITH f.layer AS layer, f.id AS map, coalesce(l.title, l.name) AS title, f.channel AS channel, f.name AS name,
  count(*) AS neurons, sum(abs(v.score)) AS weight, sum(v.score) AS score, max(v.activation) AS activation
RETURN layer, map, title, channel, name, neurons, weight, score, activation
ORDER BY weight DESC, map
LIMIT $limit
