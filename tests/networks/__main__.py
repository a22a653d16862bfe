"""python -m tests.networks [CORPUS ...] [--only PATTERN] [--workers N] ...: trace other people's networks.

Prints a line for each network and keeps it in the results file; a network that the file has is not run
again. ``--table`` writes what the file has to the table of graphpath/network/README.md.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from tests.networks import results
from tests.networks.corpora import CORPORA
from tests.networks.running import Limits, run

SHOWN = ("torchvision", "timm", "pytorchcv")
"""The corpora of the table."""


def main() -> None:
    """Run the networks that are asked for."""
    asked = _arguments()
    corpora = list(CORPORA) if asked.corpus in ([], ["all"]) else asked.corpus
    kept = results.read(asked.results)
    keys = [(corpus, name) for corpus in corpora for name in CORPORA[corpus]() if re.search(asked.only, name)]
    done = {key for key, m in kept.items() if not asked.again or m.outcome in ("lawful", "own fault")}
    if asked.anew:
        done = set()
    limits = Limits(asked.seconds, asked.memory, asked.quick)
    for measured in run([key for key in keys if key not in done], limits, asked.workers):
        results.keep(asked.results, measured)
        kept[measured.corpus, measured.name] = measured
        print(results.one_line(measured), flush=True)
    sys.stdout.write(results.summary([kept[key] for key in keys if key in kept]))
    if asked.table:
        results.write_table(kept, SHOWN)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.networks", description=__doc__.split("\n")[0])
    parser.add_argument("corpus", nargs="*", choices=[*CORPORA, "all", []], help="all, if none is named")
    parser.add_argument("--only", default="", metavar="PATTERN", help="a regular expression of names")
    parser.add_argument("--workers", type=int, default=1, help="networks at a time")
    parser.add_argument("--seconds", type=float, default=300, help="of a core, at most, for a network")
    parser.add_argument("--memory", type=float, default=8, help="gigabytes that a network may take")
    parser.add_argument("--results", type=Path, default=Path("networks.jsonl"), help="where results are kept")
    parser.add_argument("--quick", action="store_true", help="in float64 alone, nothing recorded")
    parser.add_argument("--again", action="store_true", help="run again what was not lawful")
    parser.add_argument("--anew", action="store_true", help="run everything again")
    parser.add_argument("--table", action="store_true", help="write the table of the document")
    return parser.parse_args()


if __name__ == "__main__":
    main()
