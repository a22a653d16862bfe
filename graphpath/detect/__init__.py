"""Attack detectors: does an image's pathway resemble that of its predicted class? (Qiu et al. 2019)

from graphpath.detect import Detector, fit_detector

detector = fit_detector(store)            # of a store with clean and attacked runs; needs scikit-learn
detector.report                           # AUC per attack, trained on each other, beside max-softmax
detector.save("detector.json")
Detector.load("detector.json").score(store, trace)
"""

from graphpath.detect.detector import Detector, Explanation
from graphpath.detect.fit import fit_detector
from graphpath.detect.learners import KINDS

__all__ = ["KINDS", "Detector", "Explanation", "fit_detector"]
