// The largest routes of a sample
//
// The k routes of largest abs(contribution) from an input pixel to the logit, over all pathways of the
// sample, one row for each neuron of a route (position 0 is the pixel). rank is the route's within its
// pathway; its contribution is sign * 10^log10_abs.
//
// param sample int: the sample's id
// param k top<route> = 10: how many routes
// param runs list<string> = []: the pathways' runs; [] = all (Python fills in those traced alike)
// returns: route int, pathway int, rank int, sign int, log10_abs float, position int, neuron int,
//   name string, layer int, channel int, y int, x int
// :params {sample: 0, k: 10, runs: []}

MATCH (p:Pathway)<-[:OF_PATHWAY]-(t:Route)
WHERE p.sample = $sample AND (size($runs) = 0 OR p.run IN $runs)
WITH t
ORDER BY t.log10_abs DESC, t.id
LIMIT $k
MATCH (t)-[s:STEP]->(n:Neuron)
RETURN t.id AS route, t.pathway AS pathway, t.rank AS rank, t.sign AS sign, t.log10_abs AS log10_abs,
  s.position AS position, n.id AS neuron, n.name AS name, n.layer AS layer, n.channel AS channel, n.y AS y,
  n.x AS x
ORDER BY log10_abs DESC, route, position
