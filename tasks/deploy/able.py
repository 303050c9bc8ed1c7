"""What a format cannot do, said before anything is loaded."""

from collections.abc import Iterable

from tasks.common.errors import UserError
from tasks.common.formats import FORMATS, OUTPUTS
from tasks.common.task_info import infos
from tasks.config.heads import is_multitask
from tasks.config.tree import Tree


def check_able(runtime: str, precision: str, batch: object, size: object, layout: str) -> None:
    """Raises a UserError for settings that a format does not have, naming those that it has."""
    form, key = FORMATS[runtime], f"export.format={runtime}"
    if precision not in form.precisions:
        others = [name for name, other in FORMATS.items() if precision in other.precisions]
        have = f"; {', '.join(others)} {'has' if len(others) == 1 else 'have'} it"
        raise UserError(f"{key} has no precision {precision}: {', '.join(form.precisions)}{have}")
    if layout not in form.layouts:
        raise UserError(f"export.layout={layout}: {key} takes {form.layouts[0]} only; export.format=litert takes both")
    if not form.dynamic and "dynamic" in (batch, size):
        raise UserError(f"export.{'batch' if batch == 'dynamic' else 'size'}=dynamic: {key} needs a fixed one")
    if form.one and batch != 1:
        raise UserError(f"export.batch={batch}: {key} takes one image at a time")


def check_forms(runtime: str, outputs: str, tasks: Iterable[str]) -> None:
    """Raises a UserError if one of these tasks has labels among its outputs and the format cannot choose any."""
    if FORMATS[runtime].labels:
        return
    for task in tasks:
        forms = infos()[task].forms
        if "labels" in forms[outputs].outputs:
            most = [form for form in OUTPUTS if "labels" not in forms[form].outputs][-1]
            raise UserError(
                f"export.outputs={outputs}: {runtime} has no operators that choose the labels of {task}; "
                f"export.outputs={most} leaves that to the decoders"
            )


def known_tasks(tree: Tree) -> list[str]:
    """The tasks that a configuration alone names: not those that data or a checkpoint decide."""
    if is_multitask(tree):
        return list(tree["heads"] or ())
    return [name for name, info in infos().items() if info.target in tree["targets"]]
