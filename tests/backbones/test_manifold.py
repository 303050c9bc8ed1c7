"""What ReLU loses of a spiral: `python -m backbones.manifold`."""

import re

import pytest
import torch

from backbones import manifold
from backbones.manifold import POINTS, lost, main, measure, spiral


@pytest.fixture(scope="module")
def losses():
    return {n: measure(n, 20, 0) for n in manifold.DIMENSIONS}


def test_less_is_lost_with_more_dimensions(losses):
    means = [float(loss.relu.mean()) for loss in losses.values()]
    assert means == sorted(means, reverse=True)
    assert means[0] > 0.2 and means[-1] < 1e-3


def test_without_relu_nothing_is_lost(losses):
    assert all((loss.linear < 1e-6).all() for loss in losses.values())


def test_two_points_collapse_where_fewer_than_two_values_are_positive(losses):
    assert 0.6 < float(losses[2].collapsed.mean()) < 0.85  # three of the four quadrants that two rows of T cut
    assert float(losses[30].collapsed.max()) == 0


def test_the_best_linear_layer_loses_least(losses):
    plane = spiral().expand(20, -1, -1)
    for loss in losses.values():
        assert (loss.relu <= lost(loss.inverted, plane) + 1e-9).all()


def test_the_seed_decides():
    first, again, other = (measure(3, 2, seed) for seed in (0, 0, 1))
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first.relu, other.relu)


def test_the_share_lost_is_of_the_variance():
    plane = spiral().expand(1, -1, -1)
    assert lost(plane, plane).item() == 0
    assert lost(plane.mean(1, keepdim=True), plane).item() == pytest.approx(1)


def test_the_spirals_points_are_evenly_spaced():
    points = spiral()
    steps = (points[1:] - points[:-1]).norm(dim=1)[50:]
    assert points.shape == (POINTS, 2) and points.norm(dim=1).max().item() == pytest.approx(1)
    assert steps.max() < 1.1 * steps.min()


def test_the_command_prints_and_draws(tmp_path, capsys):
    path = tmp_path / "m.png"
    assert main(["--output", str(path), "--dimensions", "2", "15", "--draws", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[3:5]] == ["2", "15"]
    assert re.fullmatch(r" +2 +\d+\.\d\d ± \d+\.\d\d% +0\.00 ± 0\.00% +\d+\.\d\d ± \d+\.\d\d%", lines[3])
    assert lines[-1] == f"picture   {path}" and path.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_figures_are_printed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(manifold, "find_spec", lambda name: None)
    path = tmp_path / "m.png"
    assert main(["--output", str(path), "--dimensions", "3", "--draws", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].split()[0] == "3" and not path.exists()
    assert lines[-1] == f'no picture {path} without matplotlib: pip install "mobilevision[plots]"'


@pytest.mark.parametrize("name", ["missing/m.png", "m.xyz"])
def test_a_picture_that_cannot_be_written_is_one_line(name, tmp_path, capsys):
    path = tmp_path / name
    assert main(["--output", str(path), "--dimensions", "2", "--draws", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"cannot write {path}: ") and error.count("\n") == 1


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "1001", "99999999"])
def test_a_wrong_dimension_is_refused(text, capsys):
    with pytest.raises(SystemExit) as leave:
        main(["--dimensions", text])
    assert leave.value.code == 2 and f"{text!r} is not a whole number from 1 to 1000" in capsys.readouterr().err
