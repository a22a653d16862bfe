// Neurons by PageRank on the class pathways (needs Graph Data Science)
//
// The class pathways of the run's categories as one weighted graph, an edge's weight being its mean
// abs(score) per sample, summed over the categories. Each neuron hands its rank on, against the edges, to the
// neurons that it was computed from, in proportion to their weights: a high score says that much of what the
// logits were given came through here. Along the edges, rank flows from the pixels to the logits.
//
// score = (1 - damping) + damping * the ranks handed on to the neuron; scores do not sum to one.
//
// engine: neo4j with gds
// param run string: the run
// param categories list<int> = []: only these categories' class pathways; [] = all together
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param along bool = false: along the edges, not against them
// param damping float = 0.85: the share of a neuron's rank that it hands on
// param layers list<int> = []: only neurons of these layers; [] = all
// param limit top = 100: at most so many rows
// returns: layer int, neuron int, name string, channel int, y int, x int, score float
// :params {run: "", categories: [], variant: "original", scheme: "classes", along: false, damping: 0.85,
//   layers: [], limit: 100}

// What queries that were cut short have left in the server's memory goes first.
CALL gds.graph.list() YIELD graphName, creationTime
WITH graphName AS left
WHERE left STARTS WITH 'graphpath-' AND creationTime < datetime() - duration({hours: 1})
CALL gds.graph.drop(left, false) YIELD graphName
WITH count(*) AS dropped
WITH 'graphpath-' + randomUUID() AS projection
MATCH (c:ClassPathway)
WHERE c.run = $run AND c.variant = $variant AND c.scheme = $scheme
  AND (size($categories) = 0 OR c.category IN $categories)
MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron)
WHERE r.class_pathway = c.id
WITH projection, a, b, sum(r.weight / c.samples) AS weight
WITH projection, gds.graph.project(
  projection,
  CASE WHEN $along THEN a ELSE b END,
  CASE WHEN $along THEN b ELSE a END,
  {relationshipProperties: {weight: weight}}
) AS made
CALL gds.pageRank.stream(projection, {
  relationshipWeightProperty: 'weight', dampingFactor: $damping, maxIterations: 1000, tolerance: 1e-9
}) YIELD nodeId, score
// All rows are here before the projection is dropped.
WITH projection, collect({node: nodeId, score: score}) AS found
CALL gds.graph.drop(projection) YIELD graphName
UNWIND found AS one
WITH gds.util.asNode(one.node) AS n, one.score AS score
WHERE size($layers) = 0 OR n.layer IN $layers
RETURN n.layer AS layer, n.id AS neuron, n.name AS name, n.channel AS channel, n.y AS y, n.x AS x, score
ORDER BY score DESC, neuron
LIMIT $limit
