// One category's class pathway between feature maps, its heaviest edges first
//
// param class_pathway int: the class pathway's id (browse/categories shows a run's)
// param limit limit = 200: at most so many edges
// returns: a node, r relationship, b node
// :params {class_pathway: 0, limit: 200}

MATCH (a:FeatureMap)-[r:MAP_FLOWS_TO]->(b:FeatureMap)
WHERE r.class_pathway = $class_pathway
RETURN a, r, b
ORDER BY r.weight DESC
LIMIT $limit
