#!/usr/bin/env bash
# Print every figure of docs/gpu.md on this machine, in at most six minutes; `make wheelhouse` comes first.
#
#     tests/benchmarks/gpu.sh                          # on a GPU
#     DEVICE=cpu tests/benchmarks/gpu.sh               # the same figures at reduced sizes, to try the script
#     tests/benchmarks/gpu.sh --only critics-1 table   # some of them
#
# Where a machine is lent for minutes, the first of two commands finds what does not work, and the second measures:
#
#     tests/benchmarks/gpu.sh --only answers replays --limit 120
#     tests/benchmarks/gpu.sh
#
# A line is printed when it is known. Where OUT is a folder, all that is printed is kept there as gpu.txt as well.
# PYTHON is any interpreter that holds torch, numpy, numba, scipy, pandas and scikit-learn; no network is needed.
# WHEELHOUSE is the folder of wheels. They are installed to a folder that is removed again. Everything runs outside
# of the checkout, where a folder named mibench would hide the package that was installed.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
wheels=$(cd "${WHEELHOUSE:-$here/../../wheelhouse}" 2>/dev/null && pwd) || {
  echo "there is no wheelhouse: run 'make wheelhouse' where there is a network." >&2; exit 2; }
python=${PYTHON:-python3}
case "${OUT:-}" in "") ;; *) exec > >(tee -a "$OUT/gpu.txt") 2>&1 ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --target "$work/site" "$wheels"/*.whl || {
  # a wheel without scripts is a zip file of what it installs
  for wheel in "$wheels"/*.whl; do "$python" -m zipfile -e "$wheel" "$work/site" || exit 2; done; }
cp "$here/gpu.py" "$here/gpu_figures.py" "$here/gpu_checks.py" "$here/gpu_answers.json" "$work" || exit 2
cd "$work" || exit 2
export PYTHONPATH="$work/site" PYTHONSAFEPATH= OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} NUMBA_CACHE_DIR="$work/numba"
"$python" gpu.py --device "${DEVICE:-cuda}" "$@"
