"""python -m tasks.lint: which operators of a network a device's delegate runs, which not, why, and what they cost here.

    python -m tasks.lint model=model.onnx target=nnapi
    python -m tasks.lint checkpoint=<run>/checkpoints/best.ckpt target=litert-gpu

    target=<delegate>     litert-gpu, xnnpack, edgetpu (.tflite; xnnpack also .pte), nnapi, coreml, webgpu, onnxruntime
                          (.onnx), openvino, openvino-gpu (.xml)
    model=<file>          an exported file, also one that others made
    checkpoint=<file>     of a training: the graph that its export for the target has, in fp32; for edgetpu, which runs
                          8-bit values only, judged as if it were quantised
    outputs=raw           of the checkpoint's export: raw, decoded or final
    size=[320,320]        height and width of the checkpoint's images; by default its own
    rewrite=true          the checkpoint's graph as export.rewrite=<target> writes it
    measure=false         no times (by default .onnx and .xml files run ten times on one thread of this CPU)
    --json                as JSON

The verdicts are read from documentation and source code, see tasks/lint/lists/; nothing was run on these devices.
native: the delegate runs it. fallback: something else does. refused: nothing does. unknown: the list does not say.
Exit status: 0 if all operators are native; 1 if not; 2 for a command or a file that cannot be used.
"""

import json
import sys
import tempfile
from pathlib import Path

from tasks.common.console import refusing, run_command
from tasks.lint.arguments import Request, parse


def main() -> int:
    """Print what the command line asks for; user errors are one line with exit status 2."""
    if {"--help", "-h"} & set(sys.argv[1:]) or not sys.argv[1:]:
        print(__doc__)
        return 0
    with refusing():
        return answer(parse(sys.argv[1:]))


def answer(request: Request) -> int:
    """Print a request's result; returns 0 if all operators are native, else 1.

    Raises:
        UserError: for files that cannot be read or run.
    """
    from tasks.lint.cost import measured
    from tasks.lint.files.opening import operators_of, runtime_of
    from tasks.lint.operators import as_quantised
    from tasks.lint.proof import of_kinds
    from tasks.lint.result import Result, as_json, judged, print_result
    from tasks.lint.rules import NATIVE, read_list

    with tempfile.TemporaryDirectory() as folder:
        path, proofs = request.model, None
        if path is None:
            from tasks.lint.of_checkpoint import written  # imports torch: seconds

            path, proofs = written(request, Path(folder))
        list_ = read_list("executorch" if runtime_of(path) == "executorch" else request.target)
        operators = operators_of(path)
        if proofs is not None and list_.head.get("quantised") == "yes":
            operators = [as_quantised(operator) for operator in operators]
        cost = measured(path, runtime_of(path)) if request.measure else None
    rows = judged(operators if cost is None else cost.added_to(operators), list_)
    if proofs is None:
        proofs = of_kinds(request.target, [operator.kind for operator, verdict in rows if verdict.what != NATIVE])
    result = Result(request.target, list_.head, rows, cost, proofs)
    if request.as_json:
        print(json.dumps(as_json(result), indent=2))
    else:
        print_result(result)
    return 0 if result.whole else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
