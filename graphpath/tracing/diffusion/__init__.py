"""How the intensity of single pixels spreads through a network (Lyu, Pang and Wang 2024).

kernels, footprints, plan    what a signal is multiplied by, and how far it reaches: made once a network
sections, patches            pixels carried through: their pathway cross-sections at each site
sizes, units                 how large a pathway is on each feature map
pixels, gather, scan         chosen pixels to the edges that carry their signals
flows, chains                from feature map to feature map; the largest chain
keymaps                      the maps that a class cannot do without
tables                       sizes and chains as data frames
"""
