#!/usr/bin/env bash
# Installs the system packages that the tests and the benchmark drive; does nothing where they are there already.
set -euo pipefail
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)       # the load generator, the fsync fault library
command -v node >/dev/null || missing+=(nodejs)            # the JavaScript SDK
command -v npm >/dev/null || missing+=(npm)
command -v curl >/dev/null || missing+=(curl)
if command -v apt-get >/dev/null; then
    for tool in s3cmd rclone restic s3fs chromium; do # what people keep their files in S3 with, and a browser
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
fi
if [ ${#missing[@]} -gt 0 ]; then
    echo "Installing ${missing[*]}."
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
