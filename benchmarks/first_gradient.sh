#!/usr/bin/env bash
# How long a newcomer waits: a fresh clone, a fresh virtual environment, `make run`, and the README's curl until it
# answers with a gradient. Then: does installing the SDK alone pull anything of the server?
# Prints the seconds and what the SDK installed; fails over 180 seconds.
set -euo pipefail
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
repository=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
server=

finish() {
    if [[ -n $server ]]; then
        kill -- "-$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

git clone --quiet "$repository" "$work/gradwire"
cd "$work/gradwire"

request='{"program": "mean((W * x + b - y) ** 2)",
  "inputs": {"W": [0.5], "b": [0], "x": [[1], [2], [3]], "y": [[2], [4], [6]]}, "wrt": ["W", "b"]}'

start=$(date +%s.%N)
setsid make run PORT="$port" >"$work/log" 2>&1 &
server=$!
until answer=$(curl --silent --fail "http://127.0.0.1:$port/v1/gradient" \
    -H 'Content-Type: application/json' -d "$request"); do
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$work/log" >&2
        exit 1
    fi
    sleep 0.2
done
seconds=$(echo "$(date +%s.%N) $start" | awk '{printf "%.1f", $1 - $2}')
echo "fresh clone, fresh environment: first gradient after $seconds s: $answer"

python3 -m venv "$work/sdk"
"$work/sdk/bin/python" -m pip --disable-pip-version-check install --quiet ./clients/python
installed=$("$work/sdk/bin/python" -m pip --disable-pip-version-check list --format=freeze | cut -d= -f1 | tr '\n' ' ')
echo "the SDK alone installs: $installed"
if grep -qiwE 'fastapi|starlette|uvicorn|sqlalchemy|scipy|pydantic|gradwire-server' <<<"$installed"; then
    echo "the SDK pulled a package of the server" >&2
    exit 1
fi
"$work/sdk/bin/python" -c 'import gradwire'

awk -v seconds="$seconds" 'BEGIN {exit !(seconds < 180)}'
