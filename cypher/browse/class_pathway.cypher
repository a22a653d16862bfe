// One category's class pathway, its best supported edges first
//
// param class_pathway int: the class pathway's id (browse/categories shows a run's)
// param limit limit = 120: at most so many edges
// returns: a node, r relationship, b node
// :params {class_pathway: 0, limit: 120}

MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron)
WHERE r.class_pathway = $class_pathway
RETURN a, r, b
ORDER BY r.support DESC, r.weight DESC
LIMIT $limit
