"""The experiments of Qiu et al. 2019, "Adversarial Defense Through Network Profiling Based Path Extraction".

The paper's text could not be read. The claims are those that third-party notes and the code of its authors'
next paper (Ptolemy) report. Its networks are ImageNet's: the figures differ here, the claims need not.
"""

PAPER = 'Qiu et al. 2019, "Adversarial Defense Through Network Profiling Based Path Extraction"'
