"""Operators of a .pte file: which of them are XNNPACK's was decided when it was written, and stands in the file."""

import tempfile
from pathlib import Path

from tasks.deploy.runtimes import needed, quiet, readable
from tasks.deploy.writers.silence import silence_logging
from tasks.lint.operators import Operator

CALLS = ("OPERATOR_CALL", "DELEGATE_CALL")  # events of the tracer: an operator with what leads to it


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


def seconds_of(path: Path, runs: int) -> dict[str, float] | None:
    """The median seconds of each operator on one thread of this CPU, by its name in operators_of().

    None if the installed ExecuTorch was built without its event tracer, and for a file whose input is not one of bytes
    or floats.

    Raises:
        UserError: if ExecuTorch is not installed or cannot run the file.
    """
    with needed("executorch", path), quiet(), silence_logging():
        import torch
        from executorch.devtools import Inspector
        from executorch.extension.pybindings._C import _unsafe_reset_threadpool
        from executorch.runtime import Runtime
    kinds = {0: torch.uint8, 6: torch.float32}  # as in a file
    with tempfile.TemporaryDirectory() as folder, readable(path), quiet(), silence_logging():
        _unsafe_reset_threadpool(1)
        program = Runtime.get().load_program(path, enable_etdump=True, debug_buffer_size=0)  # without contents
        method = program.load_method("forward")
        takes = [method.metadata.input_tensor_meta(number) for number in range(method.metadata.num_inputs())]
        if any(entry.dtype() not in kinds for entry in takes):
            return None
        images = [torch.zeros(entry.sizes(), dtype=kinds[entry.dtype()]) for entry in takes]
        for _ in range(runs):
            method.execute(images)
        events, contents = Path(folder) / "events", Path(folder) / "contents"
        program.write_etdump_result_to_file(str(events), str(contents))
        if not events.is_file():
            return None
        blocks = {block.name: block.events for block in Inspector(etdump_path=str(events)).event_blocks}
    calls = [event for event in blocks.get("Execute", []) if event.name in CALLS]
    operators = operators_of(path)
    if len(calls) != len(operators):
        return None
    return {one.name: event.perf_data.p50 / 1e3 for one, event in zip(operators, calls, strict=True)}
