// How many samples and pathways a run holds
//
// One row for each variant of samples: originals, and what an attack or a shift made of originals. A run of
// attacked images holds no originals.
//
// param run string: the run
// param variant string = "": only samples of this variant; "" = all
// returns: variant string, samples int, pathways int, categories int
// :params {run: "", variant: ""}

MATCH (p:Pathway)
WHERE p.run = $run AND ($variant = '' OR p.variant = $variant)
WITH p.variant AS variant, p.sample AS sample, count(*) AS pathways, min(p.label) AS label
RETURN variant, count(*) AS samples, sum(pathways) AS pathways, count(DISTINCT label) AS categories
ORDER BY variant
