#!/usr/bin/env bash
# Makes .venv at the root of the repository with what the Python scripts here need. Does nothing if it is there.
#
#   Benchmarks/setup-python.sh           PyTorch for CPUs, JAX, NumPy, safetensors
#   Benchmarks/setup-python.sh --cuda    PyTorch and JAX with CUDA
set -euo pipefail
cd "$(dirname "$0")/.."

# Pinned, so that figures can be compared: README.md was measured with these.
torch='torch==2.15.0'
jax_version='0.10.2'
others=(numpy==2.4.6 safetensors==0.8.0)

python="${PYTHON:-python3}"
cuda=no
[ "${1:-}" = "--cuda" ] && cuda=yes

modules='import torch, jax, numpy, safetensors'
if [ -x .venv/bin/python ] && .venv/bin/python -c "$modules" 2>/dev/null; then
  if [ "$cuda" = no ] || .venv/bin/python -c 'import torch, sys; sys.exit(torch.version.cuda is None)'; then exit 0; fi
fi

"$python" -m venv .venv || {
  echo "Python's venv module is missing: install python3-venv, or set PYTHON to another Python 3.10 or newer." >&2
  exit 1
}
.venv/bin/pip install --quiet --upgrade pip
if [ "$cuda" = yes ]; then
  .venv/bin/pip install --quiet "$torch" "jax[cuda12]==$jax_version" "${others[@]}"
else
  # PyTorch's own index has builds without CUDA, a tenth of the size; without that index the usual one serves.
  .venv/bin/pip install --quiet "$torch" --index-url https://download.pytorch.org/whl/cpu ||
    .venv/bin/pip install --quiet "$torch"
  .venv/bin/pip install --quiet "jax==$jax_version" "jaxlib==$jax_version" "${others[@]}"
fi
.venv/bin/python -c "$modules; print('torch', torch.__version__, ' jax', jax.__version__, ' numpy', numpy.__version__)"
