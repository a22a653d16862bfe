// The pathways of a run, each with its sample and what the network made of it
//
// One row per pathway: the sample's label, what the network predicted (with what confidence), the class that
// the pathway was traced for, and how large it is. correct says that the first prediction is the label.
//
// param run string: the run
// param variants list<string> = []: only samples of these variants; [] = all
// param limit limit = 10000: at most so many rows
// returns: pathway int, sample int, position int, variant string, label int, label_name string,
//   predicted string, confidence float, target int, target_name string, correct bool, neurons int,
//   edges int, coverage float, logit float
// :params {run: "", variants: [], limit: 10000}

MATCH (p:Pathway)-[:OF_SAMPLE]->(s:Sample)
WHERE p.run = $run AND (size($variants) = 0 OR p.variant IN $variants)
OPTIONAL MATCH (s)-[:LABELLED]->(k:Category)
OPTIONAL MATCH (s)-[r:PREDICTED]->(c:Category)
WHERE r.run = $run AND r.rank = 1
OPTIONAL MATCH (t:Category)
WHERE t.id = p.category
RETURN p.id AS pathway, s.id AS sample, s.position AS position, p.variant AS variant, p.label AS label,
  k.name AS label_name, c.name AS predicted, r.confidence AS confidence, p.target AS target,
  t.name AS target_name, coalesce(p.correct, false) AS correct, p.neurons AS neurons, p.edges AS edges,
  p.coverage AS coverage, p.logit AS logit
ORDER BY pathway
LIMIT $limit
