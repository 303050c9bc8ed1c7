"""Which package a logger needs; nothing here imports it, or torch."""

from importlib.machinery import ModuleSpec
from importlib.util import find_spec

from tasks.common.errors import UserError
from tasks.config.tree import Tree, select

NEEDS = {  # by the logger's class: the packages, one of which is enough, and our extra
    "tasks.engine.loggers.tensorboard.TensorBoard": (("tensorboard", "tensorboardX"), "tensorboard"),
    "tasks.engine.loggers.wandb.Wandb": (("wandb",), "wandb"),
    "tasks.engine.loggers.mlflow.MLflow": (("mlflow",), "mlflow"),
}


def check_logger(tree: Tree) -> None:
    """Raises a UserError if a training's logger needs a package that is not installed."""
    packages, extra = NEEDS.get(str(select(tree, "logger._target_")), ((), ""))
    if packages and not any(is_package(find_spec(name)) for name in packages):
        raise UserError(f'logger={extra} needs {packages[0]}: pip install "mobilevision[{extra}]"')


def is_package(spec: ModuleSpec | None) -> bool:
    """Whether a package is installed; a mere folder of its name, as wandb writes one, does not count."""
    return spec is not None and spec.origin is not None
