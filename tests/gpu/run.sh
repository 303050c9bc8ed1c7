#!/usr/bin/env bash
# The GPU tests, then benchmarks.gpu, each with a time limit: nine minutes at most. Any Python with torch and torchvision.
# Wheels in .whl/ (tests/gpu/fetch.sh) are installed first, into a folder of their own and without a network.
#   PYTHON=python3 TESTS=240 BENCHMARK=360 ONLY="classify jpeg" bash tests/gpu/run.sh
set -u
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
export PYTHONUNBUFFERED=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
if compgen -G ".whl/*.whl" >/dev/null; then
  site=$(mktemp -d)
  trap 'rm -rf "$site"' EXIT
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --target "$site" .whl/*.whl || exit
  export PYTHONPATH="$site:$PYTHONPATH"
fi
"$python" -c 'import torch, torchvision, lightning, albumentations, hydra, pycocotools
print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, lightning {lightning.__version__}")' || exit
split=()
"$python" -c 'import xdist' 2>/dev/null && split=(-n "${PROCESSES:-6}" --dist worksteal)
OMP_NUM_THREADS=1 timeout "${TESTS:-240}" "$python" -m pytest -m gpu "${split[@]}" -rs --tb=short tests/gpu
tests=$?
timeout "${BENCHMARK:-360}" "$python" -m benchmarks.gpu ${DEVICE:+--device $DEVICE --quick} ${ONLY:+--only $ONLY}
benchmark=$?
[ $tests -eq 0 ] && [ $benchmark -eq 0 ]
