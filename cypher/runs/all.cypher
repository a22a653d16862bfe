// The runs that the store holds
//
// Complete or not. Runs with the same value of comparable were traced alike (model, method, options) and
// may be compared with each other; sha256 is of the model's weights.
//
// returns: run string, method string, parameters string, model string, sha256 string, dataset string,
//   comparable string, complete bool

MATCH (u:Run)-[:TRACED]->(m:Model)
RETURN u.id AS run, u.method AS method, u.parameters AS parameters, m.name AS model,
  m.sha256 AS sha256, u.dataset AS dataset, u.comparable AS comparable,
  coalesce(u.complete, false) AS complete
ORDER BY run
