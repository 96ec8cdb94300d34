#!/usr/bin/env bash
# Installs the clients that tests/clients drives: the JavaScript SDK, and a boto3 that still speaks SQS's query protocol.
set -euo pipefail
venv=$1
js=tests/clients/js
if [ ! -e "$js/node_modules/.package-lock.json" ] || [ "$js/package-lock.json" -nt "$js/node_modules/.package-lock.json" ]; then
    npm ci --prefix "$js" --silent --no-audit --no-fund --no-update-notifier
    touch "$js/node_modules/.package-lock.json"
fi
old=$venv/clients/boto3-1.26
if [ ! -e "$old/.stamp" ]; then
    "$venv/bin/python" -m venv "$old"
    "$old/bin/python" -m pip install --quiet --disable-pip-version-check 'boto3==1.26.*'
    touch "$old/.stamp"
fi
