"""The whole way on real digits: train, attack, trace, load, three questions, a report.

directory      the demo's own directory, told from other people's
steps          the work, step by step, each kept when it is finished
questions      the three questions, their answers, and the commands that give the same
run            all of it
"""

from graphpath.demo.run import run_demo
from graphpath.demo.told import Silent, Told

__all__ = ["Silent", "Told", "run_demo"]
