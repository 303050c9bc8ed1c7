"""What ReLU loses of a spiral, by dimension: MobileNetV2 (Sandler et al., CVPR 2018), section 3.2, figure 1.

    python -m backbones.manifold --output manifold.png --dimensions 2 3 5 15 30 --seed 0

A spiral in the plane is embedded into n dimensions by a random matrix T and passes a ReLU. The paper then returns to
the plane by T⁻¹: the picture's first row. The second row shows the spiral as the best linear layer recovers it, fitted
by least squares. The shares printed are what this layer does not recover of the spiral's variance.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from backbones.options import Parser
from backbones.terminal import run_printing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIMENSIONS = (2, 3, 5, 15, 30)  # the paper's
POINTS, TURNS = 1000, 2.5


class Loss(NamedTuple):
    """What one ReLU loses, for each draw of the matrix T.

    Attributes:
        relu: (draws,) share of the spiral's variance that the best linear layer does not recover.
        linear: (draws,) the same without the ReLU.
        collapsed: (draws,) share of points with fewer than two positive values: the ReLU is not invertible around them.
        inverted, fitted: (draws, POINTS, 2) the spiral as returned by T⁻¹ and by the best linear layer.
    """

    relu: Tensor
    linear: Tensor
    collapsed: Tensor
    inverted: Tensor
    fitted: Tensor


def spiral() -> Tensor:
    """(POINTS, 2) points of an Archimedean spiral of radius 1 around 0, about equally far from each other."""
    along = torch.linspace(0, 1, POINTS + 1, dtype=torch.float64)[1:].sqrt()  # without 0 itself
    angle = 2 * torch.pi * TURNS * along
    return torch.stack([along * angle.cos(), along * angle.sin()], dim=1)


def measure(dimension: int, draws: int, seed: int) -> Loss:
    """Embed the spiral into `dimension` dimensions by random matrices, as many as `draws`, and measure the loss."""
    plane = spiral().expand(draws, -1, -1)
    generator = torch.Generator().manual_seed(seed)
    embed = torch.randn(draws, 2, dimension, generator=generator, dtype=torch.float64)
    embedded = plane @ embed  # (draws, POINTS, dimension)
    rectified = embedded.relu()
    fitted = fit(rectified, plane)
    return Loss(
        lost(fitted, plane),
        lost(fit(embedded, plane), plane),
        ((rectified > 0).sum(2) < 2).double().mean(1),
        rectified @ torch.linalg.pinv(embed),
        fitted,
    )


def fit(x: Tensor, target: Tensor) -> Tensor:
    """The best linear layer's result, weights and bias by least squares: (draws, POINTS, n) -> (draws, POINTS, 2)."""
    inputs = torch.cat([x, torch.ones_like(x[..., :1])], dim=2)
    layer: Tensor = torch.linalg.lstsq(inputs, target, driver="gelsd").solution
    return inputs @ layer


def lost(result: Tensor, target: Tensor) -> Tensor:
    """(draws,) mean squared error relative to the target's variance."""
    centred = target - target.mean(1, keepdim=True)
    return (result - target).square().sum((1, 2)) / centred.square().sum((1, 2))


def draw(path: Path, losses: dict[int, Loss]) -> None:
    """Write the picture; for each dimension the draw of median loss is shown.

    Raises:
        ValueError: if the file's type is unknown.
        OSError: if it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure((2 * len(losses) + 2.4, 4.6), dpi=150, layout="constrained")
    grid = figure.add_gridspec(2, len(losses) + 1)
    source = figure.add_subplot(grid[:, 0])
    draw_spiral(source, spiral())
    source.set_title("input")
    source.set_frame_on(False)
    for column, (dimension, loss) in enumerate(losses.items(), start=1):
        above, below = (figure.add_subplot(grid[row, column]) for row in (0, 1))
        median = int(loss.relu.argsort()[len(loss.relu) // 2])
        draw_spiral(above, loss.inverted[median])
        draw_spiral(below, loss.fitted[median])
        above.set_title(f"{dimension} dimension{'s' * (dimension > 1)}")
        share = float(loss.relu[median])
        below.set_xlabel(f"{share:.2%} lost" if share >= 1e-4 else "less than 0.01% lost")
        if column == 1:
            above.set_ylabel("ReLU, then T⁻¹")
            below.set_ylabel("ReLU, then the\nbest linear layer")
    figure.savefig(path)


def draw_spiral(axes: "Axes", points: Tensor) -> None:
    """Draw (POINTS, 2) points, coloured from the spiral's centre to its end."""
    x, y = points.T.numpy()
    axes.scatter(x, y, c=range(len(points)), cmap="viridis", s=5, linewidths=0)
    axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    axes.spines[:].set_color("#e8e8e8")


def spread(values: Tensor) -> str:
    """Mean ± standard deviation in percent."""
    deviation = values.std() if len(values) > 1 else torch.zeros(())
    return f"{100 * values.mean():.2f} ± {100 * deviation:.2f}%"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the losses and write the picture; the exit status is 2 if it cannot be written."""
    parser = Parser(prog="python -m backbones.manifold", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("manifold.png"), help="the picture (manifold.png)")
    parser.add_argument(
        "--dimensions", type=whole_number, nargs="+", default=DIMENSIONS, help="of the spaces (2 3 5 15 30)"
    )
    parser.add_argument("--draws", type=whole_number, default=100, help="of the random matrix, per dimension (100)")
    parser.add_argument("--seed", type=int, default=0, help="of the random matrices (0)")
    options = parser.parse_args(arguments)
    losses = {n: measure(n, options.draws, options.seed) for n in dict.fromkeys(options.dimensions)}
    print(f"Share of a spiral's variance lost, mean ± sd of {options.draws} random embeddings\n")
    print(f"{'dimensions':>10}  {'with ReLU':>16}  {'without':>16}  {'points collapsed':>16}")
    for dimension, loss in losses.items():
        print(f"{dimension:>10}" + "".join(f"  {spread(values):>16}" for values in loss[:3]))
    print("\nlost: not recovered by the best linear layer; collapsed: fewer than two positive values\n")
    if find_spec("matplotlib") is None:
        print(f'no picture {options.output} without matplotlib: pip install "mobilevision[plots]"')
        return 0
    try:
        draw(options.output, losses)
    except (OSError, ValueError) as error:
        print(f"cannot write {options.output}: {error}", file=sys.stderr)
        return 2
    print(f"picture   {options.output}")
    return 0


def whole_number(text: str) -> int:
    """Parse a whole number from 1 to 1000, which keeps the matrices small."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:5]) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1000")
    return int(text)


if __name__ == "__main__":
    sys.exit(run_printing(main))
