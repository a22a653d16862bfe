// One category's class pathway, whole routes first
//
// The edges on the strongest routes from the pixels to the logits come first, so that what is drawn hangs
// together: the rank of class pathways' edges (graphpath/README.md, "Ranks of roll-ups").
//
// param class_pathway int: the class pathway's id (browse/categories shows a run's)
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// param limit limit = 40: at most so many edges
// returns: a node, r relationship, b node
// :params {class_pathway: 0, limit: 40}

MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron)
WHERE r.class_pathway = $class_pathway
RETURN a, r, b
ORDER BY r.rank
LIMIT $limit
