// The number of pathways on each feature map, per category or per sample
//
// Per category (or sample) and feature map: the pathways that visit it, their visited neurons in it and
// their summed score there; and, for diffusion, the number of pixels that have it among their largest maps
// (pixels) with the summed size. Only maps that some pathway visits or crosses. Lyu et al. read originals,
// deformed samples and targets apart by the distribution of these counts over the maps.
//
// param run string: the run
// param by "category"|"sample" = "category": what is counted for; a sample's category is its label
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param variants list<string> = []: only samples of these variants; [] = all
// param layers list<int> = []: only these layers; [] = all
// returns: owner int, category string, layer int, map int, channel int, name string, pathways int,
//   neurons int, score float, pixels int, size float
// :params {run: "", by: "category", scheme: "classes", variants: [], layers: []}

MATCH (p:Pathway)-[v:VISITS_MAP]->(f:FeatureMap)
WHERE p.run = $run AND (size($variants) = 0 OR p.variant IN $variants)
  AND (size($layers) = 0 OR f.layer IN $layers)
WITH p.sample AS sample, f.id AS map, count(*) AS pathways, sum(v.neurons) AS neurons, sum(v.score) AS score
WITH collect({sample: sample, map: map, pathways: 1.0 * pathways, neurons: 1.0 * neurons, score: score,
  pixels: 0.0, size: 0.0}) AS visited
OPTIONAL MATCH (p:Pathway)-[x:CROSSES]->(f:FeatureMap)
WHERE p.run = $run AND (size($variants) = 0 OR p.variant IN $variants)
  AND (size($layers) = 0 OR f.layer IN $layers)
WITH visited, collect({sample: p.sample, map: f.id, pathways: 0.0, neurons: 0.0, score: 0.0,
  pixels: 1.0 * x.pixels, size: x.size}) AS crossed
UNWIND coalesce(visited + crossed, crossed) AS e
WITH e.sample AS sample, e.map AS map, sum(e.pathways) AS pathways, sum(e.neurons) AS neurons,
  sum(e.score) AS score, sum(e.pixels) AS pixels, sum(e.size) AS extent
WHERE map IS NOT NULL
OPTIONAL MATCH (s:Sample)-[:LABELLED]->(c:Category)
WHERE s.id = sample
OPTIONAL MATCH (c)-[:IN_CATEGORY]->(g:Category)
WHERE g.scheme = $scheme
WITH map, sample, pathways, neurons, score, pixels, extent,
  CASE WHEN $scheme = 'classes' THEN c.id ELSE g.id END AS grouped,
  CASE WHEN $scheme = 'classes' THEN c.name ELSE g.name END AS called
WITH map, CASE WHEN $by = 'sample' THEN sample ELSE coalesce(grouped, -1) END AS owner,
  max(called) AS category, sum(pathways) AS pathways, sum(neurons) AS neurons, sum(score) AS score,
  sum(pixels) AS pixels,
  sum(extent) AS extent
MATCH (f:FeatureMap)
WHERE f.id = map
RETURN owner, category, f.layer AS layer, map, f.channel AS channel, f.name AS name, pathways, neurons, score,
  pixels, extent AS size
ORDER BY owner, map
