"""Progress output and results of a block search."""

from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from tasks.common.console import report
from tasks.search.block.candidates import Candidates
from tasks.search.found import write_network
from tasks.search.records import Kind, Record, draw, write_history


class Progress:
    """Prints a line for each finished candidate, whichever process tried it."""

    def __init__(self, candidates: Candidates, path: Path | str) -> None:
        self.candidates = candidates
        self.shown = {trial.number for trial in candidates.finished()}
        done = f", {len(self.shown)} of them done" if self.shown else ""
        report(f"study     {path}: {candidates.settings.trials} candidates{done}")

    def show(self) -> None:
        """Print the candidates finished since the last call."""
        trials = self.candidates.finished()
        new = [trial for trial in trials if trial.number not in self.shown]
        for trial in new:
            self.shown.add(trial.number)
            report(f"{f'{len(self.shown)}/{self.candidates.settings.trials}':9} {self.line(trial)}")

    def line(self, trial: FrozenTrial) -> str:
        """Format a candidate's results; history.csv describes the network."""
        said, cost = trial.user_attrs, self.candidates.meter.format(trial.user_attrs["cost"])
        ended = "  ended early" if trial.state == TrialState.PRUNED else ""
        return f"{name_of(trial):10}  score {said['score']:.4f}  {cost}  {said['seconds']:.0f} s{ended}"


def name_of(trial: FrozenTrial) -> str:
    """Name of a trial: the seed, a width, or a number."""
    return str(trial.user_attrs.get("name", f"trial {trial.number}"))


def file_name(trial: FrozenTrial) -> str:
    """Name of a trial, safe for files and command lines."""
    return name_of(trial).replace(" ", "_").replace(".", "_")


def write_results(candidates: Candidates, folder: Path) -> None:
    """Write the networks, history and picture of a search, and report them."""
    networks, meter, best, front = candidates.networks, candidates.meter, candidates.best(), candidates.front()
    (folder / "front").mkdir(exist_ok=True)
    files = {folder / "front" / file_name(trial): trial for trial in front} | {folder / "found": best}
    for path, trial in files.items():
        origin = f"{networks.seed_name} changed by a block search: {origin_of(trial, candidates)}"
        plan, state = candidates.space.plan(trial.params), candidates.state(trial.number)
        write_network(networks, plan, state, origin, path, candidates.holdout)
    records = [record_of(candidates, trial) for trial in candidates.finished()]
    found = record_of(candidates, best)._replace(name="found", kind="found")
    write_history(folder / "history.csv", [*records, found], meter.name)
    drawn = [record for record in [*records, found] if record.state == "complete"]
    picture = draw(folder / "search.png", drawn, meter.name, f"{networks.score} on held-out images")
    report(f"found     {folder / 'found.yaml'}: {name_of(best)}, {origin_of(best, candidates)}")
    report(f"front     {folder / 'front'}: {', '.join(map(name_of, front))}")
    report(f"history   {folder / 'history.csv'}\n{picture}")


def origin_of(trial: FrozenTrial, candidates: Candidates) -> str:
    """Format score and cost of a candidate."""
    score, cost = trial.user_attrs["score"], candidates.meter.format(trial.user_attrs["cost"])
    return f"{candidates.networks.score} {score:.4f} on held-out training images, {cost}"


def record_of(candidates: Candidates, trial: FrozenTrial) -> Record:
    """Record of a candidate, for history and picture."""
    said, name = trial.user_attrs, name_of(trial)
    kind: Kind = "seed" if name == "seed" else "width" if name.startswith("width") else "candidate"
    return Record(
        name=name,
        kind=kind,
        score=said["score"],
        cost=said["cost"],
        params=said["params"],
        madds=said["madds"],
        seconds=said["seconds"],
        state=trial.state.name.lower(),
        what=candidates.space.changes(trial.params),
    )
