// The categories of a run, joined by what their class pathways share
//
// Each category with its class pathway, and these joined to each other where they share edges, the most alike
// first, by the weighted J of categories/similarity over all layers (SHARES). Of runs of more than a hundred
// class pathways the categories alone.
//
// param run string: the run
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// param limit limit = 200: at most so many
// returns: c node, r relationship, k node
// :params {run: "", scheme: "classes", limit: 200}

// Two types and labels in one pattern, which named queries for both engines do without: an OPTIONAL MATCH of
// nothing is what LadybugDB cannot return.
MATCH (c:ClassPathway)-[r:OF_CATEGORY|SHARES]->(k:Category|ClassPathway)
WHERE c.run = $run AND c.scheme = $scheme AND coalesce(r.unit, 'neuron') = 'neuron'
RETURN c, r, k
ORDER BY coalesce(r.weighted_J, 2.0) DESC, k.id, c.id
LIMIT $limit
