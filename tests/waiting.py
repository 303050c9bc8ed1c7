"""Finds what makes the host wait for a device, without one: the network lies on PyTorch's meta device.

It has no numbers to give, as a GPU whose queue nothing may wait for.
"""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READS = (
    *("nonzero", "_local_scalar_dense", "item", "is_nonzero", "equal", "masked_select", "bincount", "argwhere"),
    *("unique", "unique2", "_unique", "_unique2", "unique_consecutive", "unique_dim", "unique_dim_consecutive"),
)
MADE = (torch.tensor, torch.as_tensor, torch.asarray, torch.Tensor.new_tensor)


def on_meta(*values: Any) -> bool:
    """Whether some tensor among these is on the device."""
    return any(isinstance(leaf, torch.Tensor) and leaf.device.type == "meta" for leaf in tree_leaves(values))


class NoNumbers(TorchFunctionMode):
    """Refuses tensors made of Python numbers on the device: each is copied there, and waited for."""

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        given = arguments[1:] if function is torch.Tensor.new_tensor else arguments
        if function in MADE and on_meta(result) and not on_meta(given, keywords):
            raise AssertionError(f"{function.__name__}: numbers are copied to the device")
        return result


class NoWaiting(TorchDispatchMode):
    """Refuses operators that read the device, indices that are masks, and copies to and from the device."""

    def __enter__(self):
        self.numbers = NoNumbers()
        self.numbers.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.numbers.__exit__(*error)

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = function._schema.name.removeprefix("aten::")
        here = on_meta(arguments, keywords)
        assert not (here and name in READS), f"{name} waits for the device"
        if name == "repeat_interleave":
            sized = (keywords or {}).get("output_size") is not None
            assert not here or sized, f"{name} without output_size waits for the device"
        if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
            kinds = (torch.bool, torch.uint8)
            assert all(index is None or index.dtype not in kinds for index in arguments[1]), f"{name} by a mask waits"
        if name in ("_to_copy", "copy_"):
            assert not here or elsewhere(arguments, keywords) is None, f"{name} to the CPU waits for the device"
        result = function(*arguments, **(keywords or {}))
        if name in ("_to_copy", "copy_") and on_meta(result):
            cpu = [leaf for leaf in tree_leaves((arguments, keywords)) if isinstance(leaf, torch.Tensor)]
            assert all(leaf.device.type == "meta" for leaf in cpu), "numbers are copied to the device"
        return result


def elsewhere(arguments: Any, keywords: Any) -> torch.device | None:
    """The CPU, if a copy goes there."""
    into = (keywords or {}).get("device")
    first = arguments[0].device
    if into is not None and torch.device(into).type == "cpu":
        return torch.device("cpu")
    return first if first.type == "cpu" and len(arguments) > 1 and on_meta(arguments[1:]) else None
