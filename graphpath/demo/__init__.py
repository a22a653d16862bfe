"""The whole course on real digits: train, attack, trace, load, three questions, a report.

directory      the demo's own directory, distinguished from other people's
steps          the work, step by step, each kept when it is finished
questions      the three questions, their answers, and the commands that give the same
run            all of it
"""

from graphpath.demo.output import DemoOutput, NoOutput
from graphpath.demo.run import run_demo

__all__ = ["DemoOutput", "NoOutput", "run_demo"]
