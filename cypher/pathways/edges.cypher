// How many different edges a run's pathways take, layer by layer
//
// An edge that several pathways take is one of edges; uses adds up the edges of all pathways, as
// pathways/of_run gives them one by one. Per layer that the edges run into; -1 = all layers together.
//
// param run string: the run
// param variants list<string> = []: only samples of these variants; [] = all
// returns: layer int, edges int, uses int
// :params {run: "", variants: []}

MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron), (p:Pathway)
WHERE r.pathway = p.id AND p.run = $run AND (size($variants) = 0 OR p.variant IN $variants)
WITH r.layer AS layer, a.id AS source, b.id AS target, count(*) AS uses
UNWIND [layer, -1] AS level
RETURN level AS layer, count(*) AS edges, sum(uses) AS uses
ORDER BY layer
