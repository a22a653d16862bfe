"""``verify``: the interval of every row that it prints, and its decisions, on a toy whose truth is known.

Whether a set flips an image's prediction hangs on a sum of an effect of the set, one of the image and a rest,
all normal; what it does to the logit and the confidence likewise. Answers that are the same for all images
have draws that are, too, and an effect of the draw; other draws are each image's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import special

from graphpath.verifying.outcomes import MEASURES, Outcome, Outcomes, make_table
from graphpath.verifying.verdict import MATTERS, NO_MORE, judge
from tests.calibration.results import COVERED, SELDOM, Row, covered, wrong

PART = "verify"
RATES, IMAGES, DRAWS = (0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99), (20, 100), (10, 20)
RIGHT, SURE = 0.9, 0.9
"""How many images are classified rightly untouched, and how sure the network is."""


@dataclass(frozen=True)
class Toy:
    """The answer flips ``answer`` of the predictions, a control ``drawn``; how their variance is shared."""

    answer: float
    drawn: float
    of_draw: float
    """The share of the variance that is the draw's, the same for all images; 0: draws of each image's own."""
    of_image: float = 0.3

    def latent(self, draws: np.ndarray, images: np.ndarray, rest: np.ndarray) -> np.ndarray:
        return (
            np.sqrt(self.of_draw) * draws
            + np.sqrt(self.of_image) * images
            + np.sqrt(1 - self.of_draw - self.of_image) * rest
        )

    def outcomes(self, random: np.random.Generator, images: int, draws: int) -> Outcomes:
        """One experiment."""
        image = random.standard_normal(images)
        own = self.latent(np.zeros(1), image, random.standard_normal(images))
        noise = random.standard_normal((draws, images))
        controls = self.latent(random.standard_normal((draws, 1)), image, noise)
        return self._made(random, own, controls)

    def truth(self, random: np.random.Generator, size: int = 400_000) -> dict[tuple[str, str, str], float]:
        """By set, measure and column, the mean over that many images and draws."""
        draw, image, rest = random.standard_normal((3, size))
        made = self._made(random, self.latent(np.zeros(1), image, rest), self.latent(draw, image, rest)[None])
        found = {}
        for measure in MEASURES:
            answer = made.change(made.answer, measure)
            control = made.change(made.controls["random"][0], measure)
            found["answer", measure, "change"] = float(answer.mean())
            found["random", measure, "change"] = float(control.mean())
            found["random", measure, "more"] = float(np.abs(answer).mean() - np.abs(control).mean())
        return found

    def _made(self, random: np.random.Generator, own: np.ndarray, controls: np.ndarray) -> Outcomes:
        images = own.shape[0]
        right = random.random(images) < RIGHT
        clean = Outcome(np.full(images, 5.0), np.full(images, SURE), np.where(right, 0, 1), np.zeros(1))
        answer = self._ablated(clean, own, self.answer)
        drawn = tuple(self._ablated(clean, one, self.drawn) for one in controls)
        return Outcomes(clean, answer, {"random": drawn}, np.zeros(images, np.int64), self.of_draw > 0)

    def _ablated(self, clean: Outcome, latent: np.ndarray, rate: float) -> Outcome:
        above = latent + special.ndtri(rate)
        flipped = above > 0
        return Outcome(
            clean.logit - 2 * np.exp(0.5 * latent) * (0.1 + rate),
            clean.confidence - SURE / (1 + np.exp(-2 * above)),
            np.where(flipped, clean.predicted + 1, clean.predicted) % 3,
            np.ones(1),
        )


def rows(random: np.random.Generator, rounds: int, rates: tuple[float, ...] = RATES) -> Iterator[Row]:
    """Coverage by set and measure, then the decisions' errors."""
    for rate, images, draws, of_draw in product(rates, IMAGES, DRAWS, (0.0, 0.1, 0.4)):
        toy = Toy(0.7, rate, of_draw)
        setting = f"{images} images, {draws} draws, rate {rate:g}, draws' part {of_draw:g}"
        yield from coverage(toy, setting, random, rounds, images, draws)
    for rate, images in product(rates, IMAGES):
        toy = Toy(rate, 0.2, 0.0)
        yield from (
            row
            for row in coverage(toy, f"{images} images, rate {rate:g}", random, rounds, images, 10)
            if row.what.startswith("answer")
        )
    yield from decisions(random, rounds)


def coverage(
    toy: Toy, setting: str, random: np.random.Generator, rounds: int, images: int, draws: int
) -> Iterator[Row]:
    """How often each printed interval holds the truth."""
    truth = toy.truth(random)
    held: dict[tuple[str, str, str], list[bool]] = {key: [] for key in truth}
    for _ in range(rounds):
        for row in make_table(toy.outcomes(random, images, draws), "remove").itertuples():
            for column, low, high in (("change", row.low, row.high), ("more", row.more_low, row.more_high)):
                if (key := (row.set, row.measure, column)) in truth:
                    held[key].append(low <= truth[key] <= high)
    for (which, measure, column), hits in held.items():
        rate = toy.answer if which == "answer" else toy.drawn
        seldom = measure != "logit" and images * min(rate, 1 - rate) < 5
        bounds = SELDOM if seldom else COVERED
        yield covered(PART, f"{which}, {column} of {measure}", setting, np.array(hits), bounds)


def decisions(random: np.random.Generator, rounds: int) -> Iterator[Row]:
    """How often a set drawn like the controls is said to matter, and one that does more than 96 % of them
    is said to matter no more than chance; both are had from the p-values alone, for every image is alike.
    """
    for draws in (19, 20, 100):
        for what, word, quantile in (
            ("a random set is said to matter", MATTERS, None),
            ("one of the top 4 % of sets is said not to", NO_MORE, 0.96),
        ):
            said = [_decided(random, draws, quantile) == word for _ in range(rounds)]
            yield wrong(PART, what, f"{draws} draws", np.array(said))


def _decided(random: np.random.Generator, draws: int, quantile: float | None) -> str:
    """The decision where a set's effect is the same for all of 50 images, drawn from N(5, 1)."""
    own = random.standard_normal() if quantile is None else special.ndtri(quantile)
    effects = random.standard_normal((2, draws))
    images, noise = 50, 1e-3

    def outcome(effect: float) -> Outcome:
        logit = -5.0 - effect + noise * random.standard_normal(images)
        return Outcome(logit, np.full(images, 0.5), np.zeros(images, np.int64), np.ones(1))

    clean = Outcome(np.zeros(images), np.ones(images), np.zeros(images, np.int64), np.zeros(1))
    controls = {
        name: tuple(map(outcome, some)) for name, some in zip(("random", "live"), effects, strict=True)
    }
    made = Outcomes(clean, outcome(own), controls, np.full(images, -1), shared=True)
    return judge(make_table(made, "remove"), "remove", "logit", images, draws).decision
