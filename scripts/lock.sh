#!/usr/bin/env bash
# Rewrites every lock in requirements/ from pyproject.toml. Pass `--upgrade` to move versions forward.
#
# One lock per environment, because quickfix/quickfix-tls and onnxruntime/onnxruntime-gpu are each one
# module under two names and can never be in the same one. No header: it would repeat local paths.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}

lock() {
    local target=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-header --no-emit-find-links --output-file "requirements/$target.txt" "$@" >/dev/null
    echo "requirements/$target.txt"
}

lock bootstrap --group bootstrap "$@"
lock dev pyproject.toml --extra cpu --extra fix-tls --extra kafka --group build --group dev "$@"
# The others take their versions from what the tests ran on.
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
sed -nE 's/^([A-Za-z0-9][^ ]*==[^ ]*( ; [^\\]*)?) *\\?$/\1/p' requirements/dev.txt | grep -vE '^(quickfix|onnxruntime)' >"$pins"
lock runtime pyproject.toml --extra cpu --extra fix-tls --group build -c "$pins" "$@"
lock runtime-gpu pyproject.toml --extra gpu --extra fix-tls --group build -c "$pins" "$@"
lock quickfix pyproject.toml --extra cpu --extra fix-upstream --extra kafka --group build --group dev -c "$pins" "$@"
lock train pyproject.toml --extra cpu --extra fix-tls --group build --group train -c "$pins" "$@"
# uv notes where each pin came from; the name of a temporary file says nothing to a reader.
sed -i -E '/^ *# +(via )?-c .*$/d' requirements/*.txt
