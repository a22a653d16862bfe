"""All of the demo."""

from __future__ import annotations

from pathlib import Path

from graphpath.demo import steps
from graphpath.demo.directory import claim
from graphpath.demo.output import DemoOutput, NoOutput


def run_demo(out: str | Path = "graphpath-demo", *, seed: int = 0, show: DemoOutput | None = None) -> Path:
    """Run the demo in the directory ``out`` and return its report.

    Run again, it takes up what is finished; with another seed it begins anew. The same seed gives the same
    numbers on one machine.

    Raises:
        DataError: ``out`` holds something that no demo made.
    """
    from graphpath.demo.questions import answer_questions
    from graphpath.record.imageset import ImageSet
    from graphpath.report import write_report
    from graphpath.report.reader import RunReader

    output = show or NoOutput()
    paths = claim(Path(out), seed)
    with steps.one_thread():
        model = steps.train_model(paths, seed, output)
        images = steps.attack_images(paths, model, seed, output)
        traces = steps.trace_images(paths, model, images, seed, output)
    with steps.load_traces(paths, traces, output) as store:
        answer_questions(RunReader(store, traces[0].id), output)
        pixels = [ImageSet(paths.originals), ImageSet(paths.adversarials)]
        with output.begin_step("Writing the report", "pages"):
            report = write_report(store, paths.report, run=traces[0].id, images=pixels)
    output.end_step(f"{report} ({report.stat().st_size / 1e6:.1f} MB): open it in a browser")
    return report
