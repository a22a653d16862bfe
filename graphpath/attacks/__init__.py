"""Adversarial images through captum. Needs torch."""

from graphpath.extras import needed_by

with needed_by("graphpath.attacks", "trace"):
    from graphpath.attacks.attack import attack, success_rate
    from graphpath.attacks.methods import ATTACKS

__all__ = ["ATTACKS", "attack", "success_rate"]
