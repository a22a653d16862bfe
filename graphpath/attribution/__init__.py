"""Attribution: how much each pixel counts, by the gradient through a pathway or by captum's methods.

pathway         the gradient through the frozen neurons of any tracing method
baselines       captum's Gradient, InputXGradient, IntegratedGradients, GradCAM, Guided Backprop
target_module   the compiled network as modules, for captum's hooks
attribute       the public function, and heat maps
"""

from graphpath.extras import needs_extra

with needs_extra("graphpath.attribution", "trace"):
    from graphpath.attribution.attribute import ATTRIBUTIONS, attribute, heatmap

__all__ = ["ATTRIBUTIONS", "attribute", "heatmap"]
