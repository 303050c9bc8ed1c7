#!/usr/bin/env bash
# Wheels for a GPU machine without a network, into .whl/ (which git ignores): CPython 3.12, Linux, x86-64.
set -eu
cd "$(dirname "$0")/../.."
rm -rf .whl && mkdir .whl
platforms=()
for each in manylinux_2_28 manylinux_2_27 manylinux_2_24 manylinux_2_17 manylinux2014 manylinux2010 manylinux1; do
  platforms+=(--platform "${each}_x86_64")
done
pip=("${PYTHON:-.venv/bin/python}" -m pip --disable-pip-version-check)
grep -v '^#\|^antlr4' tests/gpu/wheels.txt >.whl/list
"${pip[@]}" download --quiet --no-deps --only-binary=:all: --python-version 3.12 --implementation cp "${platforms[@]}" \
  --dest .whl --requirement .whl/list
"${pip[@]}" wheel --quiet --no-deps --wheel-dir .whl "$(grep '^antlr4' tests/gpu/wheels.txt)"  # has no wheel of its own
rm .whl/list
du -sh .whl
