// Where a feature map is at its strongest, over all images
//
// The neurons of one feature map where it is at its largest, by activation or by score (what it adds to the
// target), with the box of pixels from which anything can flow into each: its receptive field, from row y0 to
// row y1 and from column x0 to column x1, both included; null where nobody knows it. Only neurons on
// pathways. By default one row a sample, its strongest neuron of the map; per "visit" every neuron. By
// activation this is activation maximisation over data, by score the relevance maximisation of zennit-crp
// (Achtibat et al. 2023). title is the layer's.
//
// param run string: the run
// param map int: the feature map's id (pathways/maps, pathways/counts and categories/shared_maps list them)
// param by "activation"|"score" = "activation": what is largest
// param per "sample"|"visit" = "sample": a row for each sample, or for each of its neurons
// param variant string = "original": only samples of this variant
// param limit limit = 9: at most so many rows
// returns: sample int, label string, predicted string, correct bool, layer int, title string, channel int,
//   neuron int, y int, x int, y0 int?, y1 int?, x0 int?, x1 int?, activation float, score float, pathway int
// :params {run: "", map: 0, by: "activation", per: "sample", variant: "original", limit: 9}

MATCH (p:Pathway)-[v:VISITS]->(n:Neuron)-[:IN_MAP]->(f:FeatureMap)
WHERE f.id = $map AND p.run = $run AND p.variant = $variant
WITH p.sample AS sample, CASE WHEN $per = 'visit' THEN n.id ELSE -1 END AS one, n.id AS neuron,
  p.id AS pathway, v.activation AS activation, v.score AS score,
  CASE WHEN $by = 'score' THEN v.score ELSE v.activation END AS size
WITH sample, one, max(size) AS largest, collect({neuron: neuron, pathway: pathway, activation: activation,
  score: score, size: size}) AS visits
UNWIND visits AS e
WITH sample, one, largest, e
WHERE e.size = largest
WITH sample, one, min(e.neuron) AS first, collect(e) AS visits
UNWIND visits AS e
WITH sample, one, first, e
WHERE e.neuron = first
WITH sample, one, min(e.pathway) AS first, collect(e) AS visits
UNWIND visits AS e
WITH sample, first, e
WHERE e.pathway = first
WITH sample, e.neuron AS neuron, e.pathway AS pathway, e.activation AS activation, e.score AS score,
  e.size AS size
MATCH (n:Neuron)-[:IN_MAP]->(f:FeatureMap)-[:IN_LAYER]->(l:Layer), (p:Pathway)-[:OF_SAMPLE]->(s:Sample)
WHERE n.id = neuron AND p.id = pathway
RETURN sample, s.label_name AS label, p.predicted AS predicted, p.correct AS correct, l.number AS layer,
  coalesce(l.title, l.name) AS title, n.channel AS channel, neuron, n.y AS y, n.x AS x,
  l.first_rows[n.y + 1] AS y0, l.last_rows[n.y + 1] AS y1,
  l.first_columns[n.x + 1] AS x0, l.last_columns[n.x + 1] AS x1,
  activation, score, pathway
ORDER BY size DESC, sample, neuron
LIMIT $limit
