#!/usr/bin/env bash
# All that needs a GPU, in less than four minutes: the tests marked cuda, then images and edges a second of
# every method.
#
#     tests/benchmarks/gpu.sh [--device cuda] [OPTION ...]
#
# Options are those of tests.benchmarks.bench_methods. PYTHON names the interpreter: by default .venv/bin/python
# where that is, else python3. What it lacks is installed into .venv-gpu, beside the torch that it has.
# With --device cpu there are no tests, and the table is of the CPU: a rehearsal (with --small in a minute).
# Exits with 1 where there is no CUDA device, a test fails, or a method does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

device=cuda
[ "${1:-}" != --device ] || { device=$2; shift 2; }
python=${PYTHON:-python3}
[ -n "${PYTHON:-}" ] || [ ! -x .venv/bin/python ] || python=.venv/bin/python

modules='import torch, torchvision, captum, graphpath.tracing, hypothesis, pytest, pytest_timeout'
if ! "$python" -c "$modules" 2>/dev/null; then
    echo "$python lacks some of what is needed: installing into .venv-gpu"
    "$python" -m venv --system-site-packages .venv-gpu
    python=.venv-gpu/bin/python
    "$python" -m pip install --quiet --editable '.[trace]' hypothesis pytest pytest-timeout
    "$python" -c "$modules"
fi

if [ "${device%%:*}" = cuda ]; then
    if ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
        echo "There is no CUDA device here (torch.cuda.is_available() is false): nothing was tested." >&2
        exit 1
    fi
    # Collecting all tests takes longer than these.
    grep --recursive --files-with-matches --include='test_*.py' 'pytest\.mark\.cuda' tests |
        xargs timeout 110 "$python" -m pytest -q -m cuda -p no:cacheprovider
else
    echo "$device: no tests marked cuda, the table alone"
fi
timeout 110 "$python" -m tests.benchmarks.bench_methods --device "$device" "$@"
