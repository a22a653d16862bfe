"""The experiments of Khakzar et al. 2021, "Neural Response Interpretation [...] of Critical Pathways".

Known from the authors' code and poster; the paper's text could not be read. So the claims are those that
their figures show, measured as their code does it, without its known defects. A sparsity is the share of all
thresholded neurons that is left out, layers pooled.

selections    the neurons that a method selects of each image, as arrays
saliency      pixels' attributions as arrays, and pixels taken away
"""

PAPER = 'Khakzar et al. 2021, "Neural Response Interpretation through the Lens of Critical Pathways"'
PATHWAYS = ("neuron_mct", "neuron_intgrad")
"""The paper's own methods."""
RANDOM_NEURONS = "random neurons"
"""The condition in which as many neurons are drawn at random, live or dead."""
