"""What one real network does with photographs: categories, attacks, cue conflicts.

photographs   photographs of categories, and how they are traced
pathways      how alike their pathways are between feature maps, block by block
resampling    intervals over images of what is no mean over images
categories    which categories share pathways, where dogs part from cats, and by which maps
"""

PAPER = "graphpath's own: no paper's experiment"
