#!/bin/sh
# Installs requirements/$1.txt into .venv, once: `sh requirements/install.sh server` or `dev`.
# PYTHON names the interpreter; without it the first of python3, python3.14 … that is new enough.
set -eu
cd "$(dirname "$0")/.."
lock=requirements/$1.txt
stamp=.venv/.installed-$1

fail() {
    echo "statestore: $*" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

fresh() { # the lock file $1 is the one that was installed
    [ -f ".venv/.installed-$1" ] && cmp -s "requirements/$1.txt" ".venv/.installed-$1"
}

install() { # the lock file, with the patience of the options $@
    .venv/bin/python -m pip install --disable-pip-version-check --no-input \
        --only-binary :all: --require-hashes "$@" -r "$lock" >"$log" 2>&1
}

unreachable() { # pip met no registry that it could connect to
    grep -qE 'NewConnectionError|ConnectTimeoutError|NameResolutionError|ProxyError|SSLError' "$log" &&
        ! grep -qE 'Downloading|Using cached' "$log"
}

# What tests need includes what the server needs, so either will do for the server.
if fresh "$1" || { [ "$1" = server ] && fresh dev; }; then
    new_enough .venv/bin/python && exit 0
fi

if ! new_enough .venv/bin/python; then
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        new_enough "$python" && break
        python=
    done
    [ -n "$python" ] || fail "Python 3.11 or newer is needed: install it, or name one with PYTHON=/path/to/python3"
    rm -rf .venv
    "$python" -m venv .venv >.venv.log 2>&1 || {
        rm -rf .venv
        fail "$python cannot make a virtual environment: install its venv package (Debian: apt install python3-venv); see .venv.log"
    }
    rm -f .venv.log
fi
log=.venv/install.log
.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >"$log" 2>&1 ||
    fail "pip cannot be installed into .venv; see $log"
echo "statestore: installing $lock into .venv …"
# A hasty try first: a registry out of reach is told soon, and one that is slow gets pip's own patience.
if ! install --retries 1 --timeout 4 && { unreachable || ! install; }; then
    if grep -qE 'Connection|timed out|Temporary failure|No matching distribution|ProxyError|SSLError' "$log"; then
        fail "the package registry cannot be reached, or lacks a package: check the network and pip's configuration; see $log"
    fi
    fail "the packages could not be installed: $(grep -m1 '^ERROR' "$log" || echo 'pip failed'); see $log"
fi
cp "$lock" "$stamp"
