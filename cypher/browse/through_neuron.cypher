// Whose pathways pass through a neuron: their samples and labels
//
// Of complete runs, largest abs(score) at the neuron first.
//
// param neuron int: the neuron's id
// param limit limit = 50: at most so many pathways
// returns: n node, v relationship, p node, o relationship, s node, l relationship, k node
// :params {neuron: 0, limit: 50}

MATCH (p:Pathway)-[v:VISITS]->(n:Neuron)
WHERE n.id = $neuron
MATCH (u:Run)
WHERE u.id = p.run AND u.complete = true
MATCH (p)-[o:OF_SAMPLE]->(s:Sample)
OPTIONAL MATCH (s)-[l:LABELLED]->(k:Category)
RETURN n, v, p, o, s, l, k
ORDER BY abs(v.score) DESC, p.id
LIMIT $limit
