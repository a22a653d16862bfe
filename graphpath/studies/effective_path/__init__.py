"""The experiments of Qiu et al. 2019, "Adversarial Defense Through Network Profiling Based Path Extraction".

The paper's text was not to be had; what is claimed is what third-party notes and the code of its authors'
next paper say (Ptolemy). Its networks are ImageNet's: the figures differ here, the claims need not.
"""

PAPER = 'Qiu et al. 2019, "Adversarial Defense Through Network Profiling Based Path Extraction"'
