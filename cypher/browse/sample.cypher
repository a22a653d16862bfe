// A sample with its pathways, and the class pathways that they resemble
//
// The first page to look at: from here to browse/pathway and browse/class_pathway. Of complete runs.
//
// param sample int: the sample's id
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param unit "neuron"|"map" = "neuron": of resemblances; edges between neurons, or between feature maps
// param limit limit = 50: at most so many resemblances
// returns: s node, o relationship, p node, m relationship, c node, f relationship, k node
// :params {sample: 0, scheme: "classes", limit: 50}

MATCH (p:Pathway)-[o:OF_SAMPLE]->(s:Sample)
WHERE s.id = $sample
MATCH (u:Run)
WHERE u.id = p.run AND u.complete = true
OPTIONAL MATCH (p)-[m:RESEMBLES]->(c:ClassPathway)-[f:OF_CATEGORY]->(k:Category)
WHERE c.scheme = $scheme AND m.unit = 'neuron'
  AND EXISTS { MATCH (w:Run) WHERE w.id = c.run AND w.complete = true }
RETURN s, o, p, m, c, f, k
ORDER BY p.id, m.prediction, m.layer
LIMIT $limit
