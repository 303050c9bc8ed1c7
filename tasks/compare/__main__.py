"""Runs side by side on one page; or what more data would bring, by training.

python -m tasks.compare outputs/segment/<run> outputs/segment/<run> …    writes compare.html: changed keys, curves over
python -m tasks.compare <folder of runs, as of -m> --output <folder>     each other, scores, the same images

What more data would bring: the same training on nested shares of the training images.

python -m tasks.compare --data 0.1,0.3,1 segment dataset=cityscapes …    and whatever tasks.segment takes
python -m tasks.compare --data 0.25,0.5,1 classify dataset=auto dataset.root=photos --seeds 0,1,2 --output outputs/curve

Every training takes the same number of steps, so that a share costs as much time as all images, and only the data
differs. Smaller shares are part of larger ones, stratified by class (data.share). Finished runs in --output are kept,
so a stopped comparison continues. Writes learning_curve.json, .csv, .md, .tex and .png.

--data SHARES     of the training images, each above 0 and up to 1; three or more for an extrapolation. Or data.share=…
--seeds SEEDS     trainings of each share (default 0,1,2); each seed also draws its own images. Or seed=…
--workers N       shares that are trained at the same time (default: one per core)
--output FOLDER   default: outputs/compare/<date and time>
"""

import sys

from tasks.common.console import refusing, report, run_command
from tasks.common.errors import UserError
from tasks.compare.arguments import CurveRequest, parse
from tasks.compare.runs import runs_asked
from tasks.report.compare import write_comparison
from tasks.report.write import told


def main() -> None:
    """Train and compare; user errors are printed in one line with exit status 2."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(__doc__)
        return
    with refusing():
        asked = runs_asked(sys.argv[1:])
        if asked is not None:
            report(told(write_comparison(*asked)))
        else:
            draw_curve(parse(sys.argv[1:]))


def draw_curve(request: CurveRequest) -> None:
    """Train all shares with all seeds, and write the curve.

    Raises:
        UserError: for what every training would refuse, a folder with other runs, or trainings that failed.
    """
    from tasks.app.rehearsal import rehearse
    from tasks.common.trainings import Job, claim, run_all
    from tasks.compare.learning_curve import write_curve
    from tasks.multitask.arguments import spelled_out

    jobs = [
        Job(
            request.task,
            f"data.share={share:g}",
            (*request.overrides, f"data.share={share:g}"),
            request.output / f"share_{share:g}",
        )
        for share in request.shares
    ]
    if not all(job.done(seed) for job in jobs for seed in request.seeds):
        rehearse(request.task, jobs[0].overrides, spelled_out)  # the smallest share
    asked = {"task": request.task, "overrides": request.overrides}
    claim(request.output, asked, "compare.json", "--output ")
    count = len(jobs) * len(request.seeds)
    report(f"training  {len(jobs)} shares × {len(request.seeds)} seeds = {count} trainings: {request.output}")
    failures = run_all(jobs, request.seeds, ["pictures=0"], request.workers)
    reasons = {failure.partition(": ")[2] for failure in failures}
    if len(failures) == len(jobs) and len(reasons) == 1:
        raise UserError(f"all trainings failed: {reasons.pop()}")
    write_curve(request, jobs)
    if failures:
        raise UserError(f"{len(failures)} of {len(jobs)} shares failed: {'; '.join(failures)}")


if __name__ == "__main__":
    run_command(main)
