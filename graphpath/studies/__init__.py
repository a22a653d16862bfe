"""Published experiments as studies: each traces, loads, asks, and says of every claim whether it holds here.

How a study is made, in one file:

    def measure(bench: Bench) -> Measurement:
        images = bench.images(bench.options["images"])           # labelled test images, evenly by class
        traced = bench.trace(images, method="effective_path")    # kept, loaded into the network's store
        answer = bench.ask("categories/consistency", run=traced.id)  # a named query; figures will say so
        found = Effects()
        found.add("advantage", MEASURED, 0.3, layer=1, name="conv 0")
        found.add("advantage", SHUFFLED, 0.0, layer=1, name="conv 0")
        return Measurement(found.frame(), {"consistency": answer})

    STUDY = Study(
        name="khakzar/overlap", title=..., paper=..., needs=..., measure=measure, options={"images": 100},
        claims=(Claim("...", quantity="advantage", null=0.0, controls=(SHUFFLED, RANDOM)),),
    )

and a line in ``studies/catalogue.py``. ``measure`` is called once per *unit*: a network (trained, and the
same with random weights), a seed and, if the study has them, a part. What it returns is kept, so a study that
was interrupted goes on; traces, networks and stores are shared between studies. All else is the base's: units
of all seeds put together, verdicts with 95 % intervals, tables as Parquet and CSV, pages, the summary.

study       Study, Claim, Measurement, Effects: what a study is; conditions: what is measured, and controls
setting     data set, networks and seeds
bench       what ``measure`` works with; decisions: for which category a network decides
intervals   over seeds, of one layer or the least of several
verdicts    from effects over seeds to words
runner      units, resumption, results
published   the figures that papers print, beside ours
tables      files; page, drawings: the HTML; summary, board: all studies in one table and picture
lyu         one module per experiment of Lyu, Pang and Wang 2024
khakzar     of Khakzar et al. 2021
effective_path  of Qiu et al. 2019: class pathways, and attack detection
imagenet    one real network on photographs
"""

from graphpath.extras import needs_extra

with needs_extra("graphpath.studies", "trace"):
    from graphpath.studies.bench import Bench
    from graphpath.studies.catalogue import STUDIES, find
    from graphpath.studies.conditions import AREA, MEASURED, RANDOM, SHUFFLED
    from graphpath.studies.runner import Result, run_study
    from graphpath.studies.setting import Setting
    from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, make_frame
    from graphpath.studies.summary import write_summary

__all__ = [
    "AREA",
    "MEASURED",
    "RANDOM",
    "SHUFFLED",
    "STUDIES",
    "Bench",
    "Claim",
    "Drawing",
    "Effects",
    "Measurement",
    "Result",
    "Setting",
    "Study",
    "find",
    "make_frame",
    "run_study",
    "write_summary",
]
