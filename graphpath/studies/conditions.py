"""Under which conditions something is measured: what a claim is about, and the controls. Needs no torch."""

SEED, GROUP = "seed", "group of images"
"""What intervals are over: networks, each of a seed; or groups of the images that one network sees."""
PLURAL = {SEED: "seeds", GROUP: "groups of images"}

TRAINED = "trained"
"""The network of a unit: as it was trained."""

MEASURED = "measured"
"""The condition of what the claim is about."""
RANDOM = "random weights"
"""The same, measured on the network with its weights drawn anew. The base makes it; a study does not."""
SHUFFLED = "shuffled labels"
"""The same, with class labels dealt to other images."""
AREA = "active area"
"""The same, with feature maps ranked by how much of them is not zero instead of by pathways."""
LEFT_OUT = "left out"
"""A layer where the quantity must be what no effect gives. No verdict rests on it, and it is named."""

ALL_LAYERS = -1
