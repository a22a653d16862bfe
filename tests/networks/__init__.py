"""Other people's networks, traced and checked: torchvision's, timm's, pytorchcv's, and idioms of users' own.

corpora      their names, and what each is made with
making       a network by corpus and name, with random weights that leave nothing trivial
measuring    one network: taken apart, held, traced; its largest errors
running      every network in a process of its own, with a limit of time and memory
results      what was measured, kept line by line, and the table of it

``python -m tests.networks`` runs them.
"""
