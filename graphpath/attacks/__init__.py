"""Adversarial images: captum's attacks, DeepFool, and that of Carlini and Wagner. Needs torch."""

from graphpath.extras import needs_extra

with needs_extra("graphpath.attacks", "trace"):
    from graphpath.attacks.attack import attack, success_rate
    from graphpath.attacks.carlini import CarliniWagner
    from graphpath.attacks.deepfool import DeepFool
    from graphpath.attacks.methods import ATTACKS

__all__ = ["ATTACKS", "CarliniWagner", "DeepFool", "attack", "success_rate"]
