// The categories of a run with their class pathways
//
// param run string: the run
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param limit limit = 200: at most so many
// returns: c node, r relationship, k node
// :params {run: "", scheme: "classes", limit: 200}

MATCH (c:ClassPathway)-[r:OF_CATEGORY]->(k:Category)
WHERE c.run = $run AND c.scheme = $scheme
RETURN c, r, k
ORDER BY k.id, c.id
LIMIT $limit
