// How much of their abs(score) the pathways of a run have kept
//
// One row for each variant of samples. A pathway keeps the edges of its budget (max_edges, influence).
// coverage is the share of abs(score) on these, of all edges that the method chose: the mean over pathways.
// least is that of the pathway with the least. Pathways that keep little are less alike than whole ones.
//
// param run string: the run
// param variant string = "": only samples of this variant; "" = all
// returns: variant string, pathways int, edges float, coverage float, least float
// :params {run: "", variant: ""}

MATCH (p:Pathway)
WHERE p.run = $run AND ($variant = '' OR p.variant = $variant)
RETURN p.variant AS variant, count(*) AS pathways, avg(p.edges) AS edges, avg(p.coverage) AS coverage,
  min(p.coverage) AS least
ORDER BY variant
