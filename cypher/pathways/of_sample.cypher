// The pathways of a sample
//
// Every pathway of one sample, in every complete run: what it was traced for, how large it is, what share of
// abs(score) the budget left (coverage), and whether the first prediction was the sample's label.
//
// param sample int: the sample's id
// returns: pathway int, run string, method string, target int, target_name string, origin int?,
//   neurons int, edges int, coverage float, logit float, bias float, label int, variant string, correct bool
// :params {sample: 0}

MATCH (p:Pathway)-[:FROM_RUN]->(u:Run)
WHERE p.sample = $sample AND u.complete = true
OPTIONAL MATCH (k:Category)
WHERE k.id = p.category
RETURN p.id AS pathway, p.run AS run, u.method AS method, p.target AS target, k.name AS target_name,
  p.origin AS origin, p.neurons AS neurons, p.edges AS edges, p.coverage AS coverage, p.logit AS logit,
  p.bias AS bias, p.label AS label, p.variant AS variant, coalesce(p.correct, false) AS correct
ORDER BY run, pathway
