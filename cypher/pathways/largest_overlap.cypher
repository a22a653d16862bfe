// How far the largest routes of different samples overlap, within and across categories
//
// The neurons (or feature maps) on the k largest routes of each pathway and the edges (two that follow each
// other), united per sample, are compared between every two samples: the mean number shared and the mean
// Jaccard index, over pairs whose samples are of the same category (within) and of two (across).
// by = "categories" gives a row for every two categories instead. across is the null of within. Samples
// without a label, or in no category of the scheme, are left out.
//
// param run string: the run
// param k count = 10: how many routes of each pathway
// param by "relation"|"categories" = "relation": what a row stands for
// param variant string = "original": of the samples
// param scheme string = "classes": of the categories; "classes": each class is one (categories/schemes)
// param unit "neuron"|"map" = "neuron": between what the edges are, neurons or feature maps
// param max_samples limit = 200: refuse runs of more samples, for every pair is compared
// guard pathways/samples.samples <= max_samples: raise max_samples, or compute it from the trace with
//   graphpath.analysis.largest_overlap, which needs no engine
// returns: what string, relation string, category1 string, category2 string, pairs int, shared float,
//   J float
// :params {run: "", k: 10, by: "relation", variant: "original", scheme: "classes", max_samples: 200}

MATCH (p:Pathway)<-[:OF_PATHWAY]-(t:Route)
WHERE p.run = $run AND p.variant = $variant AND t.rank <= $k
MATCH (t)-[s:STEP]->(n:Neuron)
MATCH (q:Sample)-[:LABELLED]->(c:Category)
WHERE q.id = p.sample
OPTIONAL MATCH (c)-[:IN_CATEGORY]->(g:Category)
WHERE g.scheme = $scheme
OPTIONAL MATCH (t)-[z:STEP]->(m:Neuron)
WHERE z.position = s.position + 1
WITH DISTINCT q.id AS sample, CASE WHEN $scheme = 'classes' THEN c.id ELSE g.id END AS category,
  CASE WHEN 'neuron' = 'map' THEN 'feature maps' ELSE 'neurons' END AS units, n.id AS unit,
  coalesce(m.id, -1) AS next
WHERE category IS NOT NULL
// (-1, 0) is a member that all samples have, so that pairs which share nothing appear as well.
UNWIND [{what: units, one: unit, two: 0, n: 1}, {what: units, one: -1, two: 0, n: 0},
  {what: 'edges', one: unit, two: next, n: 1}, {what: 'edges', one: -1, two: 0, n: 0}] AS e
WITH DISTINCT sample, category, e.what AS what, e.one AS one, e.two AS two, e.n AS n
WHERE two >= 0
WITH sample, category, what, count(CASE WHEN n = 1 THEN 1 END) AS members,
  collect({one: one, two: two, n: n}) AS items
UNWIND items AS e
WITH what, e.one AS one, e.two AS two,
  collect({sample: sample, category: category, members: members, n: e.n}) AS sides
UNWIND sides AS x
UNWIND sides AS y
WITH what, x, y
WHERE x.sample <> y.sample
  AND (x.category < y.category OR (x.category = y.category AND x.sample < y.sample))
WITH what, x.sample AS one, y.sample AS two, x.category AS category1, y.category AS category2,
  max(x.members) AS members1, max(y.members) AS members2, sum(x.n * y.n) AS shared
UNWIND [{J: 1.0 * shared / (members1 + members2 - shared), n: 1.0 * shared}] AS pair
WITH what, CASE WHEN category1 = category2 THEN 'within' ELSE 'across' END AS relation,
  CASE WHEN $by = 'categories' THEN category1 ELSE -1 END AS one,
  CASE WHEN $by = 'categories' THEN category2 ELSE -1 END AS two, count(*) AS pairs, avg(pair.n) AS shared,
  avg(pair.J) AS J
OPTIONAL MATCH (k1:Category)
WHERE k1.id = one
OPTIONAL MATCH (k2:Category)
WHERE k2.id = two
RETURN what, relation, coalesce(k1.name, 'all') AS category1, coalesce(k2.name, 'all') AS category2, pairs,
  shared, J
ORDER BY what, relation DESC, category1, category2
