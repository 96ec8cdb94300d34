#!/usr/bin/env bash
# Makes the virtual environment that every target runs in, with awning installed in place.
set -euo pipefail
venv=$1
python=${AWNING_PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "awning needs Python 3.11 or newer; set AWNING_PYTHON to one." >&2
    exit 1
fi
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "The system's Python lacks its venv module: installing python3-venv."
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[test]'
