// How much of each pathway lies inside the class pathways of its first two predictions
//
// Per pathway and layer (-1 = all layers together): in_first and in_second are the shares of the pathway's
// edges that lie on the class pathways of its sample's first and second predicted category; weighted_first
// and weighted_second the weighted J of normalised abs(score) with them. What derives from one original with
// the sample (itself, the image that was attacked, other attacks on it) is left out of the class pathway
// first. An image whose pathway leaves its class has a low in_first: these are the features of Qiu et al.'s
// detector. reference is the run of the class pathways, which any run of the same model and method can be.
// NaN where that run has no class pathway of the category.
//
// param layers list<int> = []: only these layers, -1 then being these together; [] = all
// param references list<string> = []: only class pathways of these runs; [] = all
// param runs list<string> = []: the pathways' runs; [] = all (Python fills in those traced alike)
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param unit "neuron"|"map" = "neuron": edges between neurons, or between feature maps
// returns: pathway int, sample int, run string, variant string, label int, reference string, layer int,
//   edges int, first string, second string, in_first float, in_second float, weighted_first float,
//   weighted_second float
// :params {layers: [], references: [], runs: [], scheme: "classes"}

MATCH (p:Pathway)-[m:RESEMBLES]->(c:ClassPathway)
WHERE (size($runs) = 0 OR p.run IN $runs) AND (size($references) = 0 OR c.run IN $references)
  AND c.scheme = $scheme AND m.unit = 'neuron'
  AND (size($layers) = 0 OR m.layer IN $layers)
MATCH (u:Run)
WHERE u.id = c.run AND u.complete = true
MATCH (c)-[:OF_CATEGORY]->(k:Category)
UNWIND [m.layer, -1] AS level
WITH p.id AS pathway, p.sample AS sample, p.run AS run, p.variant AS variant, p.label AS label,
  c.run AS reference, level,
  max(CASE WHEN m.prediction = 1 THEN k.name END) AS first,
  max(CASE WHEN m.prediction = 2 THEN k.name END) AS second,
  sum(CASE WHEN m.prediction = 1 THEN m.edges ELSE 0 END) AS edges1,
  sum(CASE WHEN m.prediction = 2 THEN m.edges ELSE 0 END) AS edges2,
  sum(CASE WHEN m.prediction = 1 THEN m.shared ELSE 0 END) AS shared1,
  sum(CASE WHEN m.prediction = 2 THEN m.shared ELSE 0 END) AS shared2,
  sum(CASE WHEN m.prediction = 1 THEN m.least ELSE 0.0 END) AS least1,
  sum(CASE WHEN m.prediction = 2 THEN m.least ELSE 0.0 END) AS least2,
  sum(CASE WHEN m.prediction = 1 THEN m.most ELSE 0.0 END) AS most1,
  sum(CASE WHEN m.prediction = 2 THEN m.most ELSE 0.0 END) AS most2
RETURN pathway, sample, run, variant, label, reference, level AS layer,
  CASE WHEN first IS NULL THEN edges2 ELSE edges1 END AS edges, first, second,
  CASE WHEN edges1 > 0 THEN 1.0 * shared1 / edges1 END AS in_first,
  CASE WHEN edges2 > 0 THEN 1.0 * shared2 / edges2 END AS in_second,
  CASE WHEN most1 > 0.0 THEN least1 / most1 END AS weighted_first,
  CASE WHEN most2 > 0.0 THEN least2 / most2 END AS weighted_second
ORDER BY pathway, reference, layer
