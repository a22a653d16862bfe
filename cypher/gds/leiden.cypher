// Communities of neurons on the class pathways, by Leiden (needs Graph Data Science)
//
// The class pathways of the run's categories as one undirected graph, an edge's weight being its mean
// abs(score) per sample, summed over the categories. A community is a set of neurons that pass more to each
// other than chance would have it (largest modularity). Communities are numbered from 1, the largest first;
// the rows are their neurons.
//
// engine: neo4j with gds
// param run string: the run
// param categories list<int> = []: only these categories' class pathways; [] = all together
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param gamma float = 1.0: the resolution; larger ones give more and smaller communities
// param seed count = 0: of what is drawn at random
// param limit limit = 10000: at most so many rows
// returns: community int, size int, layer int, neuron int, name string, channel int, y int, x int
// :params {run: "", categories: [], variant: "original", scheme: "classes", gamma: 1.0, seed: 0, limit:
//   10000}

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
  projection, a, b, {relationshipProperties: {weight: weight}}, {undirectedRelationshipTypes: ['*']}
) AS made
CALL gds.leiden.stream(projection, {
  relationshipWeightProperty: 'weight', gamma: $gamma, randomSeed: $seed, concurrency: 1
}) YIELD nodeId, communityId
// All rows are here before the projection is dropped.
WITH projection, collect({node: nodeId, community: communityId}) AS found
CALL gds.graph.drop(projection) YIELD graphName
UNWIND found AS one
WITH one.community AS community, gds.util.asNode(one.node) AS n
WITH community, collect(n) AS members, min(n.id) AS least
ORDER BY size(members) DESC, least
WITH collect(members) AS communities
UNWIND range(1, size(communities)) AS community
UNWIND communities[community - 1] AS n
RETURN community, size(communities[community - 1]) AS size, n.layer AS layer, n.id AS neuron, n.name AS name,
  n.channel AS channel, n.y AS y, n.x AS x
ORDER BY community, layer, neuron
LIMIT $limit
