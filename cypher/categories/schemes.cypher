// The schemes of categories, with how many classes and class pathways each category has
//
// In every store there is one, "classes", in which each class is a category of its own; it is not listed.
// graphpath load --categories and graphpath categories add make others. class_pathways counts those of all
// runs and variants, samples the samples behind them.
//
// param scheme string = "": only this scheme; "" = all
// returns: scheme string, category string, label int, classes int, class_pathways int, samples int
// :params {scheme: ""}

MATCH (a:Category)-[:IN_CATEGORY]->(k:Category)
WHERE $scheme = '' OR k.scheme = $scheme
WITH k, count(a) AS classes
OPTIONAL MATCH (c:ClassPathway)-[:OF_CATEGORY]->(k)
WITH k, classes, count(c.id) AS class_pathways, sum(c.samples) AS samples
RETURN k.scheme AS scheme, k.name AS category, k.label AS label, classes, class_pathways,
  coalesce(samples, 0) AS samples
ORDER BY scheme, label
