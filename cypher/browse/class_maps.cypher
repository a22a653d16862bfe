// One category's class pathway between feature maps, whole routes first
//
// The same as browse/class_pathway with unit = "map".
//
// param class_pathway int: the class pathway's id (browse/categories shows a run's)
// param limit limit = 40: at most so many edges
// returns: a node, r relationship, b node
// :params {class_pathway: 0, limit: 40}

MATCH (a:FeatureMap)-[r:MAP_FLOWS_TO]->(b:FeatureMap)
WHERE r.class_pathway = $class_pathway
RETURN a, r, b
ORDER BY r.rank
LIMIT $limit
