"""How often intervals hold the truth, and how often verdicts are wrong, by simulation.

python -m tests.calibration             prints the table: every interval and verdict that graphpath prints
python -m tests.calibration --write     and puts it into tests/README.md

``results``: what a row is. Every other module simulates one part's statistics through the functions that the
program itself calls, on made-up data whose truth is known.
"""
