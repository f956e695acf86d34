#!/usr/bin/env bash
# Makes .venv-pypy or .venv-cpython from the pinned files in tools/requirements. Where they are current it does nothing.
#
#   tools/bootstrap.sh pypy|cpython SET...      a SET is a file tools/requirements/SET.txt
#
# A missing interpreter is installed by apt where that may be done (as root, or by sudo that asks no password); where it
# may not, this says so and exits with 1. An environment is complete when it has a folder `pinned`: copies of the files
# it was made from. Changed files, another interpreter or an interrupted run make it anew; a further SET is added.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kind=${1:?pypy or cpython}
shift
case $kind in
    pypy) candidates="pypy3 pypy3.9 pypy3.10 pypy3.11" oldest=9 packages="pypy3 pypy3-venv" ;;
    cpython) candidates="python3.11 python3.12 python3.13 python3.14 python3" oldest=11 packages="python3 python3-venv" ;;
    *) echo "bootstrap: pypy or cpython, not $kind" >&2 && exit 2 ;;
esac
venv=.venv-$kind

say() { echo "bootstrap: $*" >&2; }

# The first candidate that is the interpreter we want and can make environments: Debian ships some that cannot.
find_interpreter() {
    local candidate
    for candidate in $candidates; do
        if "$candidate" -c "
import ensurepip, sys, venv
assert sys.implementation.name == '$kind' and (3, $oldest) <= sys.version_info < (4,) and ensurepip.version()
" >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

install_interpreter() {
    local as_root=()
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    say "installing $packages by apt"
    # shellcheck disable=SC2086  # packages are words
    { "${as_root[@]}" apt-get update -qq \
        && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages; } >/dev/null
}

# sys.version of an interpreter; a venv whose base was removed or upgraded has none, or another.
version_of() { "$1" -c 'import sys; print(sys.version)' 2>/dev/null; }

# Whether what was installed before is still what is asked for.
unchanged() {
    local name
    [ -d "$venv/pinned" ] || return 1
    [ "$(version_of "$venv/bin/python")" = "$(cat "$venv/pinned/interpreter")" ] || return 1
    for name in "$@"; do
        [ ! -e "$venv/pinned/$name.txt" ] || cmp -s "tools/requirements/$name.txt" "$venv/pinned/$name.txt" || return 1
    done
}

make_environment() {
    local python
    if ! python=$(find_interpreter) && ! { install_interpreter && python=$(find_interpreter); }; then
        say "no $kind >= 3.$oldest that can make virtual environments, and none could be installed. Wanted: $packages"
        exit 1
    fi
    say "making $venv with $(command -v "$python")"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    mkdir "$venv/pinned.new"
    version_of "$venv/bin/python" >"$venv/pinned.new/interpreter"
    mv "$venv/pinned.new" "$venv/pinned"
}

install_missing() {
    local name missing=() arguments=()
    for name in "$@"; do
        [ -e "$venv/pinned/$name.txt" ] && continue
        missing+=("tools/requirements/$name.txt")
        arguments+=(-r "tools/requirements/$name.txt")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing into $venv: ${missing[*]}"
    mv "$venv/pinned" "$venv/pinned.new" # until it is back, an interruption means starting anew
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --no-deps "${arguments[@]}" >&2
    cp "${missing[@]}" "$venv/pinned.new"
    mv "$venv/pinned.new" "$venv/pinned"
}

# Two at once would install into each other's environment.
if command -v flock >/dev/null; then
    exec 9<tools/bootstrap.sh
    flock 9
fi
unchanged "$@" || make_environment
install_missing "$@"
