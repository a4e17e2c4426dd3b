#!/usr/bin/env bash
# Makes .venv at the root of the repository with what the Python scripts here need. Does nothing where that is there, in the
# versions named below.
#
#   Benchmarks/setup-python.sh           PyTorch, for CPUs where there is none yet, JAX, NumPy, safetensors
#   Benchmarks/setup-python.sh --cuda    PyTorch and JAX with CUDA
set -euo pipefail
cd "$(dirname "$0")/.."

# Pinned, so that figures can be compared: README.md was measured with these.
torch_version='2.15.0'
jax_version='0.10.2'
others=(numpy==2.4.6 safetensors==0.8.0)

python="${PYTHON:-python3}"
cuda=no
[ "${1:-}" = "--cuda" ] && cuda=yes

# Fails and says what is missing, of another version or without CUDA; a build's own mark behind "+" is no other version.
check() {
  .venv/bin/python - "$cuda" "torch==$torch_version" "jax==$jax_version" "jaxlib==$jax_version" "${others[@]}" <<'CHECK'
import importlib, importlib.metadata, sys
faults = []
for name, wanted in (pin.split("==") for pin in sys.argv[2:]):
    try:
        importlib.import_module(name)
        version = importlib.metadata.version(name).split("+")[0]
        if version != wanted:
            faults.append(f"{name} is {version}, not {wanted}")
    except ImportError as error:
        faults.append(f"{name} cannot be imported: {error}")
if sys.argv[1] == "yes" and not faults:
    import torch
    if torch.version.cuda is None:
        faults.append("PyTorch is a build without CUDA")
    try:
        importlib.metadata.version("jax-cuda12-plugin")
    except ImportError:
        faults.append("JAX has no plugin for CUDA")
sys.exit("; ".join(faults) or None)
CHECK
}

there=no
[ -x .venv/bin/python ] && there=yes
if [ "$there" = yes ]; then
  check 2>/dev/null && exit 0
  python=.venv/bin/python
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "PyTorch $torch_version, JAX $jax_version and NumPy need Python 3.11 or newer: set PYTHON to one, and remove .venv if it is there." >&2
  exit 1
}
[ "$there" = yes ] || "$python" -m venv .venv || {
  echo "Python's venv module is missing: install python3-venv, or set PYTHON to another Python 3.11 or newer." >&2
  exit 1
}
.venv/bin/pip install --quiet --upgrade pip
if [ "$cuda" = yes ]; then
  # To pip a build without CUDA is the same version.
  if .venv/bin/python -c 'import torch, sys; sys.exit(torch.version.cuda is not None)' 2>/dev/null; then
    .venv/bin/pip uninstall --quiet --yes torch
  fi
  .venv/bin/pip install --quiet "torch==$torch_version" "jax[cuda12]==$jax_version" "${others[@]}"
else
  # PyTorch's own index has builds without CUDA, a tenth of the size; without that index the usual one serves.
  .venv/bin/pip install --quiet "torch==$torch_version" --index-url https://download.pytorch.org/whl/cpu ||
    .venv/bin/pip install --quiet "torch==$torch_version"
  .venv/bin/pip install --quiet "jax==$jax_version" "jaxlib==$jax_version" "${others[@]}"
fi
check || {
  echo "That is not what .venv was to have: remove it and try again." >&2
  exit 1
}
.venv/bin/python -c "import torch, jax, numpy; print('torch', torch.__version__, ' jax', jax.__version__, ' numpy', numpy.__version__)"
