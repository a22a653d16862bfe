"""What one real network does with photographs: categories, attacks, cue conflicts.

photographs   photographs of categories, and how they are traced
conflicts     images whose shape and texture disagree, and how decisions are counted
pathways      how alike their pathways are between feature maps, block by block
resampling    intervals over images of what is no mean over images
attacks       where attacked photographs leave their pathways, and whether that is detected
cue_conflict  shape or texture: decisions and pathways
categories    which categories share pathways, where dogs part from cats, and by which maps
map_scores    which maps are a concept's: published methods and controls
circuits      what becomes of a concept without the maps of its pathway, and with them alone
"""

PAPER = "graphpath's own: no paper's experiment"
