// Neurons by betweenness on the class pathways (needs Graph Data Science)
//
// The class pathways of the run's categories as one graph. A neuron's score is the number of shortest ways
// between other neurons, along the edges, that pass it; where there are several between two, each counts its
// share. A high score is a bottleneck: what comes from many pixels goes on to many logits through it. Weights
// are left out: a strong edge is no long way. The time taken goes with neurons times edges; with sources,
// ways begin at so many neurons only, drawn by their number of edges, and scores are sums over those.
//
// engine: neo4j with gds
// param run string: the run
// param categories list<int> = []: only these categories' class pathways; [] = all together
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param layers list<int> = []: only neurons of these layers; [] = all
// param sources count = 0: from so many neurons only, where all take too long; 0 = from all
// param seed count = 0: of their draw
// param limit top = 100: at most so many rows
// returns: layer int, neuron int, name string, channel int, y int, x int, score float
// :params {run: "", categories: [], variant: "original", scheme: "classes", layers: [], sources: 0, seed: 0,
//   limit: 100}

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
WITH DISTINCT projection, a, b
WITH projection, gds.graph.project(projection, a, b) AS made
CALL gds.betweenness.stream(projection, {
  samplingSize: CASE WHEN $sources = 0 THEN made.nodeCount ELSE $sources END, samplingSeed: $seed
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
