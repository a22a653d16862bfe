"""The experiments of Lyu, Pang and Wang 2024, "Understanding the Role of Pathways in a Deep Neural Network".

The paper's abstract could be read, its body could not. The claims are the abstract's; how they are measured
is graphpath's choice (see ``graphpath.tracing.methods.diffusion``). Every study is made with both kernels:
the exact ``signed`` one, and ``plus_one``, the formula as reviews of the paper report it.
"""

PAPER = 'Lyu, Pang, Wang 2024, "Understanding the Role of Pathways in a Deep Neural Network"'
KERNELS = ("signed", "plus_one")
