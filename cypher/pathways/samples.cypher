// How many samples and pathways a run holds
//
// param run string: the run
// param variant string = "original": of the samples
// returns: samples int, pathways int, categories int
// :params {run: "", variant: "original"}

MATCH (p:Pathway)
WHERE p.run = $run AND p.variant = $variant
RETURN count(DISTINCT p.sample) AS samples, count(*) AS pathways, count(DISTINCT p.label) AS categories
