// The runs that the store holds
//
// Complete or not. Runs with the same value of comparable were traced alike (model, method, options) and
// may be compared with each other.
//
// returns: run string, method string, parameters string, model string, dataset string, comparable string,
//   complete bool

MATCH (u:Run)-[:TRACED]->(m:Model)
RETURN u.id AS run, u.method AS method, u.parameters AS parameters, m.name AS model, u.dataset AS dataset,
  u.comparable AS comparable, coalesce(u.complete, false) AS complete
ORDER BY run
