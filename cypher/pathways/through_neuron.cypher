// Whose pathways pass through a neuron
//
// The pathways of complete runs that visit the neuron, largest abs(score) there first.
//
// param neuron int: the neuron's id
// param variants list<string> = []: only samples of these variants; [] = all
// param limit limit = 1000: at most so many rows
// returns: pathway int, run string, sample int, variant string, label int, target int, target_name string,
//   activation float, score float
// :params {neuron: 0, variants: [], limit: 1000}

MATCH (p:Pathway)-[v:VISITS]->(n:Neuron)
WHERE n.id = $neuron AND (size($variants) = 0 OR p.variant IN $variants)
MATCH (u:Run)
WHERE u.id = p.run AND u.complete = true
OPTIONAL MATCH (k:Category)
WHERE k.id = p.category
RETURN p.id AS pathway, p.run AS run, p.sample AS sample, p.variant AS variant, p.label AS label,
  p.target AS target, k.name AS target_name, v.activation AS activation, v.score AS score
ORDER BY abs(score) DESC, pathway
LIMIT $limit
