// The class pathways of a run, with how much of their score they keep
//
// samples are the members that a class pathway is of, edges the edges between neurons that at least
// min_support of them have. coverage is the share of the members' abs(score) that lies on these: where it is
// small, neurons of different images hardly meet, and feature maps compare better (unit = "map" of other
// queries).
//
// param run string: the run whose class pathways are asked for
// param variant string = "original": of the samples behind the class pathways
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// returns: category string, label int, class_pathway int, samples int, edges int, min_support int,
//   coverage float
// :params {run: "", variant: "original", scheme: "classes"}

MATCH (c:ClassPathway)-[:OF_CATEGORY]->(k:Category)
WHERE c.run = $run AND c.variant = $variant AND c.scheme = $scheme
RETURN k.name AS category, k.label AS label, c.id AS class_pathway, c.samples AS samples, c.edges AS edges,
  c.min_support AS min_support, c.coverage AS coverage
ORDER BY label
