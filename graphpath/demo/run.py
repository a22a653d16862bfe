"""All of the demo."""

from __future__ import annotations

from pathlib import Path

from graphpath.demo import steps
from graphpath.demo.directory import claim
from graphpath.demo.told import Silent, Told


def run_demo(out: str | Path = "graphpath-demo", *, seed: int = 0, tell: Told | None = None) -> Path:
    """Run the demo in the directory ``out`` and return its report.

    Run again, it takes up what is finished; with another seed it begins anew. The same seed gives the same
    numbers on one machine.

    Raises:
        DataError: ``out`` holds something that no demo made.
    """
    from graphpath.demo.questions import ask
    from graphpath.record.imageset import ImageSet
    from graphpath.report import write_report
    from graphpath.report.reader import RunReader

    told = tell or Silent()
    places = claim(Path(out), seed)
    with steps.one_thread():
        model = steps.trained(places, seed, told)
        images = steps.attacked(places, model, seed, told)
        traces = steps.traced(places, model, images, seed, told)
    with steps.loaded(places, traces, told) as store:
        ask(RunReader(store, traces[0].id), told)
        pixels = [ImageSet(places.originals), ImageSet(places.adversarials)]
        with told.step("Writing the report", "pages"):
            report = write_report(store, places.report, run=traces[0].id, images=pixels)
    told.done(f"{report} ({report.stat().st_size / 1e6:.1f} MB): open it in a browser")
    return report
