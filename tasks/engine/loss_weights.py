"""How the losses of several tasks become the one that is trained on."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from tasks.common.errors import UserError
from tasks.common.labels import is_number
from tasks.common.task_info import infos

Shared = Callable[[], Sequence[nn.Parameter]]


class Balance(nn.Module, ABC):
    """Weighs losses.

    Args:
        names: of the tasks that are trained.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.names = tuple(names)

    @abstractmethod
    def forward(self, losses: Mapping[str, Tensor], shared: Shared) -> Tensor:
        """The scalar to call backward on.

        Args:
            losses: scalars by task; a task without labels in this batch may be missing, in all processes alike.
            shared: gives the parameters by which the tasks' gradients are compared.
        """

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """The weight of each task's loss at present, detached."""


class FixedWeights(Balance):
    """Sum of weight × loss.

    Args:
        weights: by task; those not named weigh 1. Tasks that are not trained in this run may be named: the
            configuration lists all that there are.

    Raises:
        ValueError: for a task that does not exist, for a weight that is no finite number from 0, and where all tasks
            that are trained weigh 0.
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
    """Sum of exp(-s) · loss + s / 2 with a learnt s = log σ² of each task (Kendall, Gal and Cipolla, CVPR 2018).

    That is eq. 10's term of a likelihood with a softmax. A loss that stays L is led to the weight 1 / 2L.

    Args:
        start: s at the beginning by task; those not named start at 0, with weight 1. Other tasks may be named as well.

    Raises:
        ValueError: for a task that does not exist or a value that is no finite number.
    """

    def __init__(self, names: Iterable[str], start: Mapping[str, float] | None = None) -> None:
        super().__init__(names)
        given = by_task("start", start or {}, self.names)
        self.log_variance = nn.ParameterDict(  # scalars: the optimiser leaves them out of weight decay
            {name: nn.Parameter(torch.tensor(float(given.get(name, 0.0)))) for name in self.names}
        )

    def forward(self, losses: Mapping[str, Tensor], _shared: Shared) -> Tensor:
        terms = [(-self.log_variance[name]).exp() * loss + self.log_variance[name] / 2 for name, loss in losses.items()]
        return torch.stack(terms).sum()

    def weights(self) -> dict[str, Tensor]:
        return {name: (-self.log_variance[name]).exp().detach() for name in self.names}


class GradNorm(Balance):
    """Weights that make the tasks learn at one pace (Chen et al., GradNorm, ICML 2018, algorithm 1).

    With g the norm of a task's gradient in the shared parameters, and r its share of the first loss that is left,
    divided by the mean of these, the paper's objective is the sum of |w g - mean(w g) · r^alpha|, the second term
    taken as constant. Its gradient in w is g · sign(w g - …), which grows with the losses' scale: a rate that suits
    one network would throw another's weights below 0. So the step is taken in log w, in units of the mean norm,

        w <- w · exp(-rate · sign(w g - mean(w g) · r^alpha) · w g / mean(w g))

    which keeps every weight positive. The weights are then scaled back to their sum, the number of tasks. Norms and
    losses are means over all processes, so that the weights are the same in each.

    Args:
        alpha: 0 makes the norms equal; more speeds up those that lag behind (the paper: 1.5, or 0.12 for like tasks).
        rate: of the step above.
        every: training batches from one step to the next.

    Raises:
        ValueError: for a value out of range.
        UserError: in training, where the tasks share no parameter that learns.
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
        self.register_buffer("first", torch.zeros(len(self.names)))  # losses of the first batch; 0: not seen yet
        self.register_buffer("batches", torch.tensor(0))
        self.seen = 0  # the same number; reading the buffer would wait for the device in every step
        register: Callable[..., object] = self.register_load_state_dict_post_hook  # torch leaves it untyped
        register(count_on)

    def forward(self, losses: Mapping[str, Tensor], shared: Shared) -> Tensor:
        indices = [self.names.index(name) for name in losses]
        total = (taken(self.weight, indices) * torch.stack(list(losses.values()))).sum()
        if self.training and torch.is_grad_enabled():
            if self.seen % self.every == 0:
                self.adjust(indices, list(losses.values()), shared())
            self.seen += 1
            self.batches += 1
        return total

    def adjust(self, indices: list[int], losses: Sequence[Tensor], shared: Sequence[nn.Parameter]) -> None:
        """One step of these tasks' weights, which are those of the next batch."""
        learning = [parameter for parameter in shared if parameter.requires_grad]
        if not learning:
            raise UserError(
                "balance=gradnorm compares gradients in layers that all tasks train, and here there is none"
            )
        norms = []
        for loss in losses:
            gradients = torch.autograd.grad(loss, learning, retain_graph=True, materialize_grads=True)
            norms.append(torch.nn.utils.get_total_norm(gradients).float())
        with torch.no_grad():
            seen = over_processes(torch.stack([torch.stack(norms), torch.stack([*losses]).float()]))
            sound = seen.isfinite().all()  # half precision overflows at times; the optimiser leaves that batch out, too
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
            new = torch.where(sound, new * old.sum() / new.sum(), old)
            for index, a, b in zip(indices, torch.where(sound, first, known), new, strict=True):
                self.first[index].copy_(a)
                self.weight[index].copy_(b)

    def weights(self) -> dict[str, Tensor]:
        return dict(zip(self.names, self.weight.clone(), strict=True))


def count_on(balance: nn.Module, _keys: object) -> None:
    """Go on counting batches from a state that was loaded."""
    assert isinstance(balance, GradNorm)
    balance.seen = int(balance.batches)


def taken(values: Tensor, indices: Sequence[int]) -> Tensor:
    """Some entries of a vector; a list as an index would have to be copied to the device first."""
    return torch.stack([values[index] for index in indices])


def over_processes(values: Tensor) -> Tensor:
    """The mean of a tensor over all processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(values)
        values = values / torch.distributed.get_world_size()
    return values


def by_task(key: str, values: Mapping[str, float], names: Sequence[str], least: float = -math.inf) -> dict[str, float]:
    """Checked values of balance.<key> by task.

    Raises:
        ValueError: for a task that does not exist, or no finite number from `least`.
    """
    choices = list(dict.fromkeys((*infos(), *names)))
    if not isinstance(values, Mapping):
        raise ValueError(f"balance.{key}={values} is not a number for each of {', '.join(choices)}")
    for name, value in values.items():
        if name not in choices:
            raise ValueError(f"balance.{key}.{name}: no such task; there are {', '.join(choices)}")
        if not is_number(value) or value < least:
            bound = "" if math.isinf(least) else f" from {least:g}"
            raise ValueError(f"balance.{key}.{name}={value} must be a number{bound}")
    return dict(values)
