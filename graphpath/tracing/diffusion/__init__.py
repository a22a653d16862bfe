"""How the intensity of single pixels spreads through a network (Lyu, Pang and Wang 2024).

kernels      the held network without its constants
footprints   how far a pixel reaches, planned in integers
sections     one batch of pixels carried through: their pathway cross-sections at each site
"""
