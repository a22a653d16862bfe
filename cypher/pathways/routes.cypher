// Stored routes from given pixels, or through given feature maps
//
// One row per route, largest abs(contribution) first: where it begins and how many neurons it has. With
// both filters a route must begin at one of the pixels and pass one of the maps.
//
// param run string: the run
// param pixels list<int> = []: only routes that begin at these neurons (their ids); [] = anywhere
// param maps list<int> = []: only routes through one of these feature maps (their ids); [] = all
// param variants list<string> = []: only samples of these variants; [] = all
// param limit limit = 1000: at most so many rows
// returns: route int, pathway int, sample int, variant string, label int, target int, rank int, sign int,
//   log10_abs float, pixel int, pixel_name string, neurons int
// :params {run: "", pixels: [], maps: [], variants: [], limit: 1000}

MATCH (p:Pathway)<-[:OF_PATHWAY]-(t:Route)-[s:STEP]->(n:Neuron)
WHERE p.run = $run AND (size($variants) = 0 OR p.variant IN $variants)
MATCH (n)-[:IN_MAP]->(f:FeatureMap)
WITH p, t, count(*) AS neurons, max(CASE WHEN s.position = 0 THEN n.id END) AS pixel,
  max(CASE WHEN s.position = 0 THEN n.name END) AS pixel_name,
  count(CASE WHEN f.id IN $maps THEN 1 END) AS crossed
WHERE (size($pixels) = 0 OR pixel IN $pixels) AND (size($maps) = 0 OR crossed > 0)
RETURN t.id AS route, p.id AS pathway, p.sample AS sample, p.variant AS variant, p.label AS label,
  p.target AS target, t.rank AS rank, t.sign AS sign, t.log10_abs AS log10_abs, pixel, pixel_name, neurons
ORDER BY log10_abs DESC, route
LIMIT $limit
