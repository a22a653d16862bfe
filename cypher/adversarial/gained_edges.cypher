// The edges that a derived sample's pathway gained
//
// The edges on the derived sample's pathways and not on the original's, largest abs(score) first, with
// the categories on whose class pathways (of the given runs, variant original) they lie. flow and score
// are summed where a sample has several pathways. Empty unless both samples have pathways.
//
// param original int: the original sample's id
// param derived int: the derived sample's id (adversarial/pairs lists both)
// param layers list<int> = []: only edges into these layers; [] = all
// param runs list<string> = []: the runs that hold both sides; [] = all (Python fills in those traced alike)
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// param limit limit = 1000: at most so many rows
// returns: layer int, source int, target int, source_name string, target_name string, flow float,
//   score float, classes set<string>
// :params {original: 0, derived: 0, layers: [], runs: [], scheme: "classes", limit: 1000}

MATCH (p:Pathway)
WHERE (p.sample = $original OR p.sample = $derived) AND (size($runs) = 0 OR p.run IN $runs)
WITH count(DISTINCT p.sample) AS sides
MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron), (p:Pathway)
WHERE sides = 2 AND r.pathway = p.id AND (p.sample = $original OR p.sample = $derived)
  AND (size($runs) = 0 OR p.run IN $runs)
WITH a, b, r.layer AS layer, max(CASE WHEN p.sample = $original THEN 1 ELSE 0 END) AS n1,
  max(CASE WHEN p.sample = $derived THEN 1 ELSE 0 END) AS n2, sum(r.flow) AS flow, sum(r.score) AS score
WHERE n1 = 0 AND (size($layers) = 0 OR layer IN $layers)
OPTIONAL MATCH (a)-[k:CLASS_FLOWS_TO]->(b), (c:ClassPathway)-[:OF_CATEGORY]->(g:Category)
WHERE k.class_pathway = c.id AND c.variant = 'original' AND c.scheme = $scheme
  AND (size($runs) = 0 OR c.run IN $runs)
WITH a.id AS source, b.id AS target, a.name AS source_name, b.name AS target_name, layer, flow, score,
  collect(DISTINCT g.name) AS classes
RETURN layer, source, target, source_name, target_name, flow, score, classes
ORDER BY abs(score) DESC, layer, source, target
LIMIT $limit
