"""The measuring processes, as seen from the process that starts them."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from tasks.common.errors import UserError
from tasks.common.processes import command_of

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # read when a library is imported


class Worker:
    """A process of tasks/deploy/bench/child.py that idles until it gets a request.

    Args:
        name: of its network, for messages.
        said: file with everything it prints besides its answers.
    """

    def __init__(self, name: str, process: subprocess.Popen[str], said: IO[str]) -> None:
        self.name, self.process, self.said = name, process, said

    def ask(self, line: Any) -> Any:
        """Send a line and return the answer.

        Raises:
            UserError: with its error, or with its last output if it has ended.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended; its output is read below
            self.process.stdin.write(json.dumps(line) + "\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            status = self.process.wait()
            self.said.seek(0)
            words = [text.strip() for text in self.said if text.strip()]
            raise UserError(f"{self.name} cannot be measured: {words[-1] if words else f'exit status {status}'}")
        told = json.loads(answer)
        if isinstance(told, dict) and "error" in told:
            raise UserError(told["error"])
        return told


@contextmanager
def worker(name: str, threads: int) -> Iterator[Worker]:
    """A fresh process limited to `threads` threads, ended when the block exits."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    for bound in ("OMP_PROC_BIND", "OMP_PLACES"):  # would pin every worker to the same core
        environment.pop(bound, None)
    command = command_of("tasks.deploy.bench.child")
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=environment, text=True
        ) as process,
    ):
        assert process.stdin is not None
        try:
            yield Worker(name, process, said)
        finally:
            process.kill()
            with suppress(BrokenPipeError):  # for a line it has not read
                process.stdin.close()
