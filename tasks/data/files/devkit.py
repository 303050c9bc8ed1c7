"""The classes of ImageNet's devkit, from its MATLAB file.

SciPy reads it in a separate process with limits on memory and time: a damaged file can crash or hang it.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

MEMORY = 2 << 30  # bytes of address space
SECONDS = 60


def read_synsets(meta: Path) -> dict[int, str]:
    """Devkit class number -> WordNet id.

    Args:
        meta: meta.mat, whose structure array `synsets` has the fields ILSVRC2012_ID and WNID.

    Raises:
        FileNotFoundError: for a missing file.
        ValueError: for a file that SciPy cannot read, or without that array.
    """
    meta.stat()
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # each thread takes address space
    command = [sys.executable, "-P", __file__, str(meta)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"a damaged MATLAB file: not read within {SECONDS} seconds") from error
    if done.returncode < 0:
        raise ValueError(f"a damaged MATLAB file: SciPy ended by {signal.Signals(-done.returncode).name}")
    if done.returncode > 0:
        raise ValueError(f"a damaged MATLAB file: {' '.join(done.stderr.split()[-40:])}")
    return {int(number): wnid for number, wnid in json.loads(done.stdout).items()}


def main(path: str) -> None:
    """Print the classes as JSON."""
    import numpy as np
    from scipy.io import loadmat

    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        entries = np.atleast_1d(loadmat(path, squeeze_me=True, variable_names=["synsets"])["synsets"])
        json.dump({int(entry["ILSVRC2012_ID"]): str(entry["WNID"]) for entry in entries}, sys.stdout)
    except Exception as error:  # SciPy's errors have no common class
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1])
