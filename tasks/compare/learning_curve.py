"""Writes a learning curve: table, forecast, picture and learning_curve.json."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasks.common.charts import FRONT, INK, PALE, prepare, write_chart
from tasks.common.errors import UserError
from tasks.common.spread import Cell, Spread, write_tables, written
from tasks.common.table import print_table
from tasks.common.task_info import infos
from tasks.common.trainings import Job
from tasks.compare.arguments import CurveRequest
from tasks.compare.power_law import Forecast, forecast

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Size(NamedTuple):
    """The trainings on one share.

    Attributes:
        images: distinct ones of a training.
        scores: by name of the score, one of each finished training.
    """

    share: float
    images: int
    scores: Mapping[str, Sequence[float]]

    def spread(self, name: str) -> Spread:
        """Mean and deviation of a score."""
        return Spread.of(self.scores[name])


def write_curve(request: CurveRequest, jobs: Sequence[Job]) -> None:
    """Print the table and what twice the data would bring; write learning_curve.json, .csv, .md, .tex and .png.

    Raises:
        UserError: if no training is finished.
    """
    pairs = zip(request.shares, jobs, strict=True)
    sizes = [size for share, job in pairs if (size := size_of(share, job, request.task, request.seeds))]
    if not sizes:
        raise UserError(f"{request.output} has no finished training")
    names = list(sizes[0].scores)
    headings = ["share", "images", "runs", *names]
    rows: list[list[Cell]] = [
        [f"{size.share:g}", size.images, len(size.scores[names[0]]), *(size.spread(name) for name in names)]
        for size in sizes
    ]
    print_table(
        headings,
        ([written(cell) for cell in row] for row in rows),
        align="r",
        title="mean ± sd over seeds, equal steps",
    )
    found = {name: forecast([s.images for s in sizes], [s.spread(name) for s in sizes]) for name in names}
    for name, said in found.items():
        print(said.format(name) if isinstance(said, Forecast) else f"{name}: {said}")
    stem = request.output / "learning_curve"
    stem.with_suffix(".json").write_text(json.dumps(record(request, sizes, found), indent=2) + "\n", encoding="utf-8")
    write_tables(stem, headings, rows)
    print(f"table     {stem}.json, .csv, .md, .tex")
    print(write_chart(stem.with_suffix(".png"), lambda figure: draw(figure, sizes, found), 4.6 * len(names) + 2, 4.6))


def size_of(share: float, job: Job, task: str, seeds: Sequence[int]) -> Size | None:
    """The finished trainings of a share; None if there are none.

    Raises:
        UserError: for one without the score.
    """
    done = [job.at(seed) for seed in seeds if job.done(seed)]
    if not done:
        return None
    metrics = [read(run / "metrics.json") for run in done]
    images, names = read(done[0] / "training.json")["images"], scores_of(task, metrics[0])
    for run, row in zip(done, metrics, strict=True):
        if missing := [name for name in names if row.get(name) is None]:
            raise UserError(f"{run / 'metrics.json'} has no {missing[0]}: no validation image has its labels")
    return Size(share, images, {name: [float(row[name]) for row in metrics] for name in names})


def scores_of(task: str, metrics: Mapping[str, Any]) -> list[str]:
    """The main score; of several heads, that of each."""
    if task in infos():
        return [infos()[task].score]
    several = [key for name, info in infos().items() if (key := f"{name}/{info.score}") in metrics]
    return several or [info.score for info in infos().values() if info.score in metrics][:1]


def record(request: CurveRequest, sizes: Sequence[Size], found: Mapping[str, Forecast | str]) -> dict[str, Any]:
    """What learning_curve.json has."""
    return {
        "task": request.task,
        "overrides": request.overrides,
        "seeds": request.seeds,
        "sizes": [size._asdict() for size in sizes],
        "forecast": {name: forecast_record(said) for name, said in found.items()},
    }


def forecast_record(said: Forecast | str) -> dict[str, Any]:
    """A forecast, or why there is none, for a JSON file."""
    if isinstance(said, str):
        return {"none": said}
    return {**said._asdict(), "law": said.law._asdict()}


def draw(figure: "Figure", sizes: Sequence[Size], found: Mapping[str, Forecast | str]) -> None:
    """Draw each score against the number of images: trainings, means ± sd, the law and its forecast."""
    images = [size.images for size in sizes]
    for axes, (name, said) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        prepare(axes, "training images", name)
        axes.set_xscale("log", base=2)
        for size in sizes:
            axes.plot([size.images] * len(size.scores[name]), size.scores[name], "o", color=PALE, markersize=4)
        spreads = [size.spread(name) for size in sizes]
        means, deviations = [spread.mean for spread in spreads], [spread.sd or 0.0 for spread in spreads]
        axes.errorbar(images, means, deviations, fmt="o", color=INK, capsize=3, label="mean ± sd")
        if isinstance(said, Forecast):
            inside = np.geomspace(images[0], images[-1], 100)
            axes.plot(inside, [said.law.at(n) for n in inside], color=INK, linewidth=1, label="power law")
            beyond = np.geomspace(images[-1], said.images, 40)
            axes.plot(beyond, [said.law.at(n) for n in beyond], "--", color=FRONT, linewidth=1)
            base = said.score - said.gain
            if said.low is not None and said.high is not None:
                reach = [[max(0.0, said.gain - said.low)], [max(0.0, said.high - said.gain)]]
                axes.errorbar([said.images], [base + said.gain], reach, fmt="none", ecolor=FRONT, capsize=3)
            axes.plot([said.images], [said.score], "o", color=FRONT, label="forecast, 90 %")
        ticks = [*images, *([said.images] if isinstance(said, Forecast) else [])]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.legend(frameon=False, loc="lower right")


def read(path: Path) -> Any:
    """Read a JSON file of a run."""
    return json.loads(path.read_text(encoding="utf-8"))
