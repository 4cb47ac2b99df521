#!/usr/bin/env bash
# Installs the wheel into a new environment and uses it in an empty folder outside the checkout.
#
#   .ci/wheel_smoke.sh           builds the wheel from the checkout's files
#   .ci/wheel_smoke.sh WHEEL     takes one that is built already
#
# PYTHON    interpreter of the new environment (python3)
# PACKAGES  site-packages of an environment made from requirements.lock, used instead of downloading it again
#
# The environment lies inside another git repository, whose commit must not pass for the package's own.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH SPEAR_DATA SPEAR_PACKAGES

step() { printf '\n== %s\n' "$*"; }

install() { # from the lock, unless PACKAGES has everything
    if [[ -n "${PACKAGES:-}" ]]; then
        # As a plain path: .pth files in it, such as an editable install's, are not read.
        realpath "$PACKAGES" >"$("$bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/shared.pth"
        "$bin/python" -m pip install --quiet --no-deps --ignore-installed "$1"
    else
        "$bin/python" -m pip install --quiet --constraint "$root/requirements.lock" "$1"
    fi
}

step "another repository, and an environment in it"
stranger="$work/stranger"
git init --quiet "$stranger"
git -C "$stranger" -c user.name=stranger -c user.email=stranger@example.org \
    commit --quiet --allow-empty --message "Not this package's history"
"$python" -m venv "$stranger/.venv"
bin="$stranger/.venv/bin"

wheel=${1:+$(realpath "$1")}
if [[ -z "$wheel" ]]; then
    step "the wheel, from a copy of the checkout's files" # build/ of the checkout may hold files long gone
    mkdir "$work/source"
    git -C "$root" ls-files -z --cached --others --exclude-standard \
        | tar -C "$root" --null --files-from - --create | tar -C "$work/source" --extract
    "$python" -m pip wheel --quiet --no-deps --wheel-dir "$work/dist" "$work/source"
    wheel=$(echo "$work"/dist/*.whl)
fi
echo "$(basename "$wheel"), $(du -h "$wheel" | cut -f1)"

step "install"
install "$wheel"
touch "$work/installed"
mkdir "$stranger/empty"
cd "$stranger/empty"

step "spear --help, and of each subcommand"
"$bin/spear" --help >"$work/help.txt"
grep -q "spear experiment=" "$work/help.txt"
for subcommand in audit plan collect report tables figures claims train-generator; do
    "$bin/spear" "$subcommand" --help >/dev/null
    echo "spear $subcommand"
done

step "spear: the demo"
OMP_NUM_THREADS=1 "$bin/spear"

step "spear claims"
"$bin/spear" claims >claims.md
grep -q "^| table1 " claims.md
echo "$(grep -c '^| ' claims.md) rows"

step "spear tables --to tables table3"
"$bin/spear" tables --to tables table3
grep -q cifar10 tables/table3.md

step "what is there now"
"$bin/python" "$root/.ci/wheel_check.py" "$wheel" "$work/installed"
find . -type f -not -name '.*' | sort
echo "The wheel works outside of its checkout."
