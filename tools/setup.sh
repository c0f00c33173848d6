#!/bin/sh
# Makes .venv with the pinned packages: tools/setup.sh PYTHON
# Run from the root of the checkout, by `make setup`. Safe to interrupt and to run again.
set -eu
python=$1

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 3
}

command -v "$python" >/dev/null 2>&1 ||
  fail "no '$python' on PATH. Install Python 3.11 or newer, or name one: make setup PYTHON=/path/to/python3"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
  fail "'$python' does not start. Name a working Python: make setup PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "Python 3.11 or newer is needed. Received: $python is $version. Name another: make setup PYTHON=python3.11"

rm -f .venv/installed
# An environment of another Python, or half of one, is made anew.
if [ -e .venv ] && ! { .venv/bin/python -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" &&
  .venv/bin/python -m pip --version; } >/dev/null 2>&1; then
  echo "setup: replacing an unusable .venv"
  rm -rf .venv
fi
if [ ! -e .venv ]; then
  echo "setup: creating .venv with Python $version"
  "$python" -m venv .venv ||
    fail "'$python -m venv' failed (on Debian and Ubuntu: apt-get install python3-venv)"
fi

echo "setup: installing pinned packages (TensorFlow is large: a few minutes on a slow line)"
# The build backend comes first, so that the project itself needs no isolated build environment.
.venv/bin/python -m pip install --quiet --progress-bar off -c constraints.txt hatchling editables
rm -f .venv/failed
{ .venv/bin/python -m pip install --progress-bar off --no-build-isolation -c constraints.txt \
  -e '.[dev]' || touch .venv/failed; } |
  sed -u -n -e 's/^Collecting \([^ ]*\).*/  \1/p' \
    -e 's/^Installing collected packages.*/setup: unpacking (a minute)/p'
[ ! -e .venv/failed ] || fail "pip failed; its message is above. Run make setup again"
# Its metadata asks for NumPy 1, its code runs on NumPy 2: without what it asks for.
.venv/bin/python -m pip install --quiet --progress-bar off --no-deps -c constraints.txt tensorflow-model-optimization ||
  fail "pip failed; its message is above. Run make setup again"
touch .venv/installed
echo "setup: done, .venv/bin/espalier is ready"
