"""What a search varies: each dimension's range, its value in the recipe as it is, and the keys that a value sets."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from tasks.common.errors import UserError, suggestion
from tasks.common.task_info import infos
from tasks.config.heads_file import CONF
from tasks.config.overrides import leaves
from tasks.config.tree import Tree, has, resolved, select
from tasks.config.unread import check_size_is_read
from tasks.engine.finetune import loads_weights
from tasks.search.recipe.strength import strengthened
from tasks.search.settings import RecipeSettings

Point = dict[str, Any]  # the values of a trial, by dimension
Size = tuple[int, int]  # height and width
STEP = 0.25  # of the augmentation's strength
COARSE, FINE, LARGE = 32, 8, 128  # sides are multiples of 32; of 8 for images below 128
NONE = "none"  # of finetune: as from scratch; it may also be written null
AS_IT_IS = "recipe"  # of finetune: an experiment's own values, which no option has
MULTIPLES = {"lr": "optimizer.lr", "decay": "optimizer.weight_decay"}


class Dimension(NamedTuple):
    """One thing that is varied.

    Attributes:
        values: what Optuna draws from.
        start: of the recipe as it is.
    """

    values: BaseDistribution
    start: Any


class Space:
    """All dimensions of a search: lr, decay, augment, size, finetune, as far as the configuration has them.

    Args:
        stored: the configuration, with its interpolations.
        settings: of the search.
        size: at which the recipe scores images.
        fits: whether a size is within the budget.
        typed: keys on the command line, which keep their values in every trial. A number or size that is typed is
            varied only if its range is typed as well.

    Attributes:
        dimensions: by name.
        left_out: by name, why a dimension is not varied.
        kept: keys that would be varied if they were not typed; part of the search's identity.

    Raises:
        UserError: if nothing can be varied, or no size is within the budget.
    """

    def __init__(
        self,
        stored: Tree,
        settings: RecipeSettings,
        size: Size,
        fits: Callable[[Size], bool],
        typed: Collection[str] = (),
    ) -> None:
        self.stored, self.tree, self.size, self.typed = stored, resolved(stored), size, frozenset(typed)
        self.dimensions: dict[str, Dimension] = {}
        self.left_out: dict[str, str] = {}
        self.kept: list[str] = []
        self.options = self.options_below_typed()
        self.vary_multiples("lr", settings.lr)
        self.vary_multiples("decay", settings.decay)
        self.vary_augmentation(settings.augment)
        self.vary_size(settings.sizes, fits)
        self.vary_finetune(settings.finetune)
        if not self.dimensions:
            raise UserError(f"search=recipe has nothing to vary: {'; '.join(self.left_out.values())}")

    def options_below_typed(self) -> dict[str, dict[str, Any]]:
        """The options of `finetune` without typed keys; an optimizer.lr that is typed keeps finetune.lr as well."""
        stay = self.typed | ({"finetune.lr"} if "optimizer.lr" in self.typed else set())
        return {
            name: {key: value for key, value in own.items() if key not in stay}
            for name, own in finetune_options().items()
        }

    def strengthened(self, factor: float) -> dict[str, Any]:
        """The values of a strength of the augmentation, without those that are typed or within something typed."""
        found = strengthened(self.tree, factor)
        return {key: new for key, new in found.items() if not any(f"{key}.".startswith(f"{k}.") for k in self.typed)}

    def stays_typed(self, name: str, key: str, range_key: str) -> bool:
        """Whether a key is typed, and its range is not; says so."""
        if key not in self.typed or range_key in self.typed:
            return False
        self.left_out[name] = f"{key} was typed; {range_key}=[…] varies it even so"
        self.kept.append(key)
        return True

    def vary_multiples(self, name: str, factors: Sequence[float] | None) -> None:
        """Vary a number on a logarithmic scale."""
        key = MULTIPLES[name]
        own = select(self.tree, key)
        if factors is None or not own:
            self.left_out[name] = f"search.{name}=null" if factors is None else f"{key}={own} has no multiples"
            return
        if self.stays_typed(name, key, f"search.{name}"):
            return
        low, high = (own * factor for factor in factors)
        self.dimensions[name] = Dimension(FloatDistribution(low, high, log=True), float(own))

    def vary_augmentation(self, factors: Sequence[float] | None) -> None:
        """Vary the augmentation's strength in steps."""
        if factors is None:
            self.left_out["augment"] = "search.augment=null"
        elif not self.strengthened(0.0):
            what = "what has a strength was typed" if strengthened(self.tree, 0.0) else "nothing with a strength"
            self.left_out["augment"] = f"data.augment: {what}"
        else:
            low, high = factors
            self.dimensions["augment"] = Dimension(FloatDistribution(low, high, step=STEP), 1.0)

    def vary_size(self, factors: Sequence[float] | None, fits: Callable[[Size], bool]) -> None:
        """Vary image_size within the budget, unless the recipe takes images as they are."""
        placed = any(info.placed and info.target in self.tree["targets"] for info in infos().values())
        if factors is None or (self.tree["image_size"] is None and placed):
            self.left_out["size"] = "search.sizes=null" if factors is None else "image_size=null: images as they are"
            return
        if self.stays_typed("size", "image_size", "search.sizes"):
            return
        try:
            check_size_is_read({**self.stored, "image_size": list(self.size)})
        except UserError:
            self.left_out["size"] = "nothing follows from image_size in this recipe"
            return
        every = sorted({scaled_size(self.size, factor) for factor in (*factors, 1.0)})
        sizes = [size for size in every if fits(size)]
        if not sizes:
            raise UserError(f"search.sizes: even {text_of(every[0])} is not within the budget")
        if len(sizes) == 1 and sizes[0] == self.size:
            self.left_out["size"] = f"of search.sizes only {text_of(sizes[0])} is within the budget"
            return
        start = self.size if self.size in sizes else sizes[-1]
        self.dimensions["size"] = Dimension(CategoricalDistribution([*map(text_of, sizes)]), text_of(start))

    def vary_finetune(self, choices: Sequence[str | None] | None) -> None:
        """Vary how a network that starts from weights learns.

        Raises:
            UserError: for an option that does not exist.
        """
        if choices is None:
            self.left_out["finetune"] = "search.finetune=null"
            return
        if not loads_weights(self.tree):
            self.left_out["finetune"] = "without weights=… or checkpoint=… there is nothing to keep"
            return
        if said := [key for key in ("finetune", "backbone.frozen") if key in self.typed]:
            self.left_out["finetune"] = f"{said[0]}=… was typed"
            self.kept.append(said[0])
            return
        names = [NONE if choice is None else choice for choice in choices]
        for name in names:
            if name not in self.options:
                near = suggestion(name, self.options)
                raise UserError(f"search.finetune: {name} is no option{near}; there are {', '.join(self.options)}")
        own = select(self.tree, "finetune.name") or NONE
        if own not in self.options or self.differing(self.options[own]):
            own, self.options = AS_IT_IS, {**self.options, AS_IT_IS: {}}
        names = list(dict.fromkeys([*names, own]))
        self.dimensions["finetune"] = Dimension(CategoricalDistribution(names), own)

    @property
    def start(self) -> Point:
        """The recipe as it is."""
        return {name: dimension.start for name, dimension in self.dimensions.items()}

    def changes(self, point: Point) -> dict[str, Any]:
        """The values that make the configuration a point's, by dotted keys; without those it has already."""
        found: dict[str, Any] = {}
        for name, key in MULTIPLES.items():
            if name in point and point[name] != self.dimensions[name].start:
                found[key] = three_digits(point[name])
        if "augment" in point and point["augment"] != 1:
            found |= self.strengthened(point["augment"])
        if "size" in point and (size := size_of(point["size"])) != self.size:
            found["image_size"] = list(size)
        if "finetune" in point:
            found |= self.options[point["finetune"]]
        return self.differing(found)

    def differing(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the values that the configuration does not have already."""
        return {
            key: value for key, value in values.items() if not has(self.tree, key) or select(self.tree, key) != value
        }

    def pixels(self, point: Point) -> float:
        """Pixels of a point's images, as a share of the recipe's."""
        height, width = size_of(point["size"]) if "size" in point else self.size
        return height * width / (self.size[0] * self.size[1])

    def ranges(self) -> list[str]:
        """What is varied, for people."""
        lines = []
        for name, (values, _) in self.dimensions.items():
            if isinstance(values, CategoricalDistribution):
                lines.append(f"{name} {' '.join(map(str, values.choices))}")
            elif isinstance(values, FloatDistribution):
                lines.append(f"{name} {values.low:.3g} to {values.high:.3g}")
        return lines


def finetune_options() -> dict[str, dict[str, Any]]:
    """The values of every option of the group `finetune` by dotted keys, each with all keys that any of them sets.

    Without int8, which quantise.aware=true chooses by itself. A key that an option does not name has its
    value in conf/base.yaml.
    """
    files = sorted(path for path in (CONF / "finetune").glob("*.yaml") if path.stem != "int8")
    given = {path.stem: dict(leaves(yaml.safe_load(path.read_text(encoding="utf-8")) or {}, "")) for path in files}
    given = {name: {key.lstrip("."): value for key, value in own.items()} for name, own in given.items()}
    base: Mapping[str, Any] = yaml.safe_load((CONF / "base.yaml").read_text(encoding="utf-8"))
    keys = dict.fromkeys(key for own in given.values() for key in own if key != "defaults")
    plain = {key: select(base, key) for key in keys}
    return {name: plain | own for name, own in given.items()}


def three_digits(value: float) -> float:
    """A number with three digits, as it is written in a recipe."""
    return float(f"{value:.3g}")


def scaled_size(size: Size, factor: float) -> Size:
    """A size times a factor, its sides rounded to whole steps; the size itself for a factor of 1."""
    if factor == 1:
        return size
    step = COARSE if min(size) >= LARGE else FINE
    height, width = (max(step, round(side * factor / step) * step) for side in size)
    return height, width


def text_of(size: Size) -> str:
    """A size as it is shown: 192×384."""
    return f"{size[0]}×{size[1]}"


def size_of(text: str) -> Size:
    """The size of text_of."""
    height, width = map(int, text.split("×"))
    return height, width
