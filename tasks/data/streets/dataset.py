"""The generated street scenes as a data set: drawn at first use, then read like Cityscapes."""

from pathlib import Path

from tasks.data.cityscapes import Cityscapes
from tasks.data.streets.write import generate
from tasks.errors import UserError


class Streets(Cityscapes):
    """Street scenes of our own making, in Cityscapes' layout.

    Args:
        root: where they lie, or are written once.
        train, val: how many scenes.
        height, width: of each.
        seed: decides everything that is drawn.

    Raises:
        UserError: if root holds something else, or cannot be written.
    """

    def __init__(self, root: str | Path, *, train: int, val: int, height: int, width: int, seed: int) -> None:
        super().__init__(root)
        if not (self.root / "streets.json").exists():
            print(f"drawing {train + val} street scenes into {self.root} …", flush=True)
        try:
            generate(self.root, seed=seed, train=train, val=val, height=height, width=width)
        except FileExistsError as error:
            raise UserError(f"{error}\nset dataset.root=… to another folder, or remove that one") from error
        except ValueError as error:
            raise UserError(f"dataset: {error}") from error
        except OSError as error:
            raise UserError(f"cannot write street scenes to {self.root}: {error.strerror}; set dataset.root") from error
