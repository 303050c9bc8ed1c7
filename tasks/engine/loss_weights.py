"""Ways to combine the losses of several tasks into the training loss."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from tasks.common.errors import UserError, suggestion
from tasks.common.labels import is_number
from tasks.common.task_info import infos

Shared = Callable[[], Sequence[nn.Parameter]]


class Balance(nn.Module, ABC):
    """Base class: combines the tasks' losses into one.

    Args:
        names: of the trained tasks.

    Attributes:
        paused: whether weights stay as they are, because no layer that the tasks share is trained yet (thaw.Thaw).
    """

    paused = False

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.names = tuple(names)

    @abstractmethod
    def forward(self, losses: Mapping[str, Tensor], shared: Shared) -> Tensor:
        """Combined loss: the scalar to call backward on.

        Args:
            losses: scalars by task; a task without labels in this process's batch is missing.
            shared: returns the parameters at which the tasks' gradients are compared.
        """

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """Current weight of each task's loss, detached."""


class FixedWeights(Balance):
    """Sum of weight × loss.

    Args:
        weights: by task; 1 by default. May include tasks that this run does not train: the configuration lists all
            tasks.

    Raises:
        ValueError: for an unknown task, a weight that is not a finite number of at least 0, or if all trained tasks
            weigh 0.
    """

    def __init__(self, names: Iterable[str], weights: Mapping[str, float] | None = None) -> None:
        super().__init__(names)
        given = by_task("weights", weights or {}, self.names, least=0)
        self.fixed = {name: given.get(name, 1.0) for name in self.names}
        self.weight: Tensor
        self.register_buffer(
            "weight", torch.tensor([*self.fixed.values()]), persistent=False
        )  # on the device, for logs
        if self.names and not any(self.fixed.values()):
            keys = ", ".join(f"balance.weights.{name}" for name in self.names)
            raise ValueError(f"{keys}: at least one must be above 0")

    def forward(self, losses: Mapping[str, Tensor], _shared: Shared) -> Tensor:
        return torch.stack([self.fixed[name] * loss for name, loss in losses.items()]).sum()

    def weights(self) -> dict[str, Tensor]:
        return dict(zip(self.names, self.weight, strict=True))


class Uncertainty(Balance):
    """Sum of exp(-s) · loss + s / 2 with a learnt s = log σ² per task (Kendall, Gal and Cipolla, CVPR 2018).

    This is the term of a softmax likelihood in eq. 10. For a loss that stays at L, the weight converges to 1 / 2L.

    Args:
        start: initial s by task; 0 by default, which is weight 1. May include tasks that are not trained.

    Raises:
        ValueError: for an unknown task, or a value that is not a finite number.
    """

    def __init__(self, names: Iterable[str], start: Mapping[str, float] | None = None) -> None:
        super().__init__(names)
        given = by_task("start", start or {}, self.names)
        self.log_variance = nn.ParameterDict(  # scalars: exempt from weight decay
            {name: nn.Parameter(torch.tensor(float(given.get(name, 0.0)))) for name in self.names}
        )

    def forward(self, losses: Mapping[str, Tensor], _shared: Shared) -> Tensor:
        terms = [(-self.log_variance[name]).exp() * loss + self.log_variance[name] / 2 for name, loss in losses.items()]
        return torch.stack(terms).sum()

    def weights(self) -> dict[str, Tensor]:
        return {name: (-self.log_variance[name]).exp().detach() for name in self.names}


class GradNorm(Balance):
    """Weights that make all tasks learn at the same pace (Chen et al., GradNorm, ICML 2018, algorithm 1).

    Let g be the norm of a task's gradient with respect to the shared parameters, and r the ratio of its loss to its
    first loss, divided by the mean ratio of all tasks. The paper minimises the sum of |w g - mean(w g) · r^alpha|, with
    the second term held constant. Its gradient in w is g · sign(w g - …), which grows with the scale of the losses: a
    rate that suits one network would push another's weights below 0. So the step is taken in log w, in units of the
    mean norm,

        w <- w · exp(-rate · sign(w g - mean(w g) · r^alpha) · w g / mean(w g))

    which keeps every weight positive. The weights are then rescaled to keep their sum, the number of tasks. Norms and
    losses are averaged over all processes, so the weights are the same in each.

    Args:
        alpha: 0 makes the norms equal; larger values speed up slower tasks (in the paper 1.5, or 0.12 for similar
            tasks).
        rate: of the step above.
        every: number of training batches between steps.

    Raises:
        ValueError: for a value out of range.
        UserError: in training, if the tasks share no trainable parameter; with several processes also if the batch of
            one of them lacks a task's labels.
    """

    def __init__(self, names: Iterable[str], alpha: float, rate: float, every: int) -> None:
        super().__init__(names)
        for name, value in (("alpha", alpha), ("rate", rate)):
            if not is_number(value) or value < 0:
                raise ValueError(f"balance.{name}={value} must be a number from 0")
        if not isinstance(every, int) or isinstance(every, bool) or every < 1:
            raise ValueError(f"balance.every={every} must be a whole number from 1")
        self.alpha, self.rate, self.every = alpha, rate, every
        self.weight: Tensor
        self.first: Tensor
        self.batches: Tensor
        self.register_buffer("weight", torch.ones(len(self.names)))
        self.register_buffer("first", torch.zeros(len(self.names)))  # losses of the first batch; 0: none yet
        self.register_buffer("batches", torch.tensor(0))
        self.seen = 0  # equals `batches`, but reading it does not wait for the device
        register: Callable[..., object] = self.register_load_state_dict_post_hook  # untyped in torch
        register(count_on)

    def forward(self, losses: Mapping[str, Tensor], shared: Shared) -> Tensor:
        indices = [self.names.index(name) for name in losses]
        total = (taken(self.weight, indices) * torch.stack(list(losses.values()))).sum()
        if self.training and torch.is_grad_enabled() and not self.paused:
            if self.seen % self.every == 0:
                self.adjust(indices, list(losses.values()), shared())
            self.seen += 1
            self.batches += 1
        return total

    def adjust(self, indices: list[int], losses: Sequence[Tensor], shared: Sequence[nn.Parameter]) -> None:
        """Update these tasks' weights for the next batch."""
        learning = [parameter for parameter in shared if parameter.requires_grad]
        if not learning:
            raise UserError(
                "balance=gradnorm compares gradients in layers that all tasks train, and here there is none"
            )
        if len(losses) < len(self.names) and is_distributed():  # the others would wait for its norm
            lacking = next(name for number, name in enumerate(self.names) if number not in indices)
            raise UserError(
                f"balance=gradnorm: a batch of one process has no labels of {lacking}: raise data.batch_size"
            )
        norms = []
        for loss in losses:
            gradients = torch.autograd.grad(loss, learning, retain_graph=True, materialize_grads=True)
            norms.append(torch.nn.utils.get_total_norm(gradients).float())
        with torch.no_grad():
            seen = over_processes(torch.stack([torch.stack(norms), torch.stack([*losses]).float()]))
            sound = seen.isfinite().all()  # half precision can overflow; the optimiser skips such a batch too
            g, loss = seen
            tiny = torch.finfo(g.dtype).tiny
            known = taken(self.first, indices)
            first = torch.where(known > 0, known, loss)
            left = loss / first.clamp(min=tiny)
            pace = left / left.mean().clamp(min=tiny)
            old = taken(self.weight, indices)
            norm = old * g
            mean = norm.mean().clamp(min=tiny)
            new = old * (-self.rate * (norm - mean * pace**self.alpha).sign() * norm / mean).exp()
            total = len(self.names) - (self.weight.sum() - old.sum())  # not old.sum(): its rounding would add up
            new = torch.where(sound, new * total / new.sum(), old)
            for index, a, b in zip(indices, torch.where(sound, first, known), new, strict=True):
                self.first[index].copy_(a)
                self.weight[index].copy_(b)

    def weights(self) -> dict[str, Tensor]:
        return dict(zip(self.names, self.weight.clone(), strict=True))


def count_on(balance: nn.Module, _keys: object) -> None:
    """Continue the batch count from a loaded state."""
    assert isinstance(balance, GradNorm)
    balance.seen = int(balance.batches)


def taken(values: Tensor, indices: Sequence[int]) -> Tensor:
    """Select entries of a vector; indexing with a list would first copy the list to the device."""
    return torch.stack([values[index] for index in indices])


def is_distributed() -> bool:
    """Whether this is one of several processes."""
    return bool(torch.distributed.is_available() and torch.distributed.is_initialized())


def over_processes(values: Tensor) -> Tensor:
    """Mean of a tensor over all processes."""
    if is_distributed():
        torch.distributed.all_reduce(values)
        values = values / torch.distributed.get_world_size()
    return values


def by_task(key: str, values: Mapping[str, float], names: Sequence[str], least: float = -math.inf) -> dict[str, float]:
    """Validate the values of balance.<key> and return them by task.

    Raises:
        ValueError: for an unknown task, or a value that is not a finite number of at least `least`.
    """
    choices = list(dict.fromkeys((*infos(), *names)))
    if not isinstance(values, Mapping):
        raise ValueError(f"balance.{key}={values} is not a number for each of {', '.join(choices)}")
    for name, value in values.items():
        if name not in choices:
            near = suggestion(name, choices)
            raise ValueError(f"balance.{key}.{name}: no such task{near}; there are {', '.join(choices)}")
        if not is_number(value) or value < least:
            bound = "" if math.isinf(least) else f" from {least:g}"
            raise ValueError(f"balance.{key}.{name}={value} must be a number{bound}")
    return dict(values)
