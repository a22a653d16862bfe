"""Attribution: which pixels, by the gradient through a pathway or as captum has it.

pathway              the gradient through the frozen neurons of any tracing method
baselines, plain     captum's Gradient, InputXGradient, IntegratedGradients, GradCAM, Guided Backprop
attribute            the public function, and heat maps
"""

from graphpath.extras import needed_by

with needed_by("graphpath.attribution", "trace"):
    from graphpath.attribution.attribute import ATTRIBUTIONS, attribute, heatmap

__all__ = ["ATTRIBUTIONS", "attribute", "heatmap"]
