// What was verified, the latest first
//
// The verdicts of graphpath verify on answers that came from the store's runs: what was asked (query is
// empty for Cypher of one's own), what was ablated (kind neurons or edges; per sample where each image had
// its own), in what mode and to what baseline, over how many images, and whether it matters, by the change
// of measure.
//
// param query string = "": only of this named query; "" = of any
// returns: verdict int, made string, query string, parameters string, kind string, per string, mode string,
//   baseline string, images int, draws int, measure string, decision string, direction string, words string,
//   runs set<string>
// :params {query: ""}

MATCH (v:Verdict)-[:OF_RUN]->(u:Run)
WHERE $query = '' OR v.query = $query
WITH v, collect(u.id) AS runs
RETURN v.id AS verdict, v.made AS made, v.query AS query, v.parameters AS parameters, v.kind AS kind,
  v.by AS per, v.mode AS mode, v.baseline AS baseline, v.images AS images, v.draws AS draws,
  v.measure AS measure, v.decision AS decision, v.direction AS direction, v.words AS words, runs
ORDER BY made DESC, verdict
