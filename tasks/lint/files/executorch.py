"""Operators of a .pte file: which of them are XNNPACK's was decided when it was written, and stands in the file."""

from pathlib import Path

from tasks.deploy.runtimes import needed, quiet, readable
from tasks.deploy.writers.silence import silence_logging
from tasks.lint.operators import Operator


def operators_of(path: Path) -> list[Operator]:
    """A part of the graph that XNNPACK runs as one operator XnnpackBackend, all others by name, in order.

    Raises:
        UserError: if ExecuTorch is not installed or the file is damaged.
    """
    with needed("executorch", path), quiet(), silence_logging():
        from executorch.exir._serialize._program import deserialize_pte_binary
        from executorch.exir.schema import DelegateCall, KernelCall
    found = []
    with readable(path), quiet():
        plan = deserialize_pte_binary(path.read_bytes()).program.execution_plan[0]
        for number, instruction in enumerate(step for chain in plan.chains for step in chain.instructions):
            call = instruction.instr_args
            if isinstance(call, DelegateCall):
                found.append(Operator(plan.delegates[call.delegate_index].id, str(number), {}, here=True))
            elif isinstance(call, KernelCall):
                kernel = plan.operators[call.op_index]
                found.append(Operator(f"{kernel.name}.{kernel.overload}".rstrip("."), str(number), {}, here=False))
    return found
