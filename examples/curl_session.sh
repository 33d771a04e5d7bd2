#!/usr/bin/env bash
# A session with nothing but curl: values, a gradient, a published graph, and why a gradient is missing.
# Start a server (`make run`), then: bash examples/curl_session.sh
set -euo pipefail
url=${GRADWIRE_URL:-http://127.0.0.1:8000}

post() { # PATH BODY: prints the answer on one line; fails on an HTTP error
    curl --silent --show-error --fail-with-body -H 'Content-Type: application/json' -d "$2" "$url$1"
    echo
}

echo '# evaluate y = x²'
post /v1/evaluate '{"program": "y = x ** 2", "inputs": {"x": [1, 2]}}'

echo '# the gradient of a mean squared error'
post /v1/gradient '{
  "program": "mean((W * x + b - y) ** 2)",
  "inputs": {"W": [0.5], "b": [0], "x": [[1], [2], [3]], "y": [[2], [4], [6]]},
  "wrt": ["W", "b"]}'

echo '# publish it once, as a graph'
published=$(post /v1/graphs '{"graph": {
  "version": 1,
  "inputs": {"W": {}, "b": {}, "x": {}, "y": {}},
  "constants": {"two": 2.0},
  "nodes": [
    {"name": "wx",   "op": "multiply", "inputs": ["W", "x"]},
    {"name": "pred", "op": "add",      "inputs": ["wx", "b"]},
    {"name": "err",  "op": "subtract", "inputs": ["pred", "y"]},
    {"name": "sq",   "op": "pow",      "inputs": ["err", "two"]},
    {"name": "loss", "op": "mean",     "inputs": ["sq"]}],
  "outputs": ["loss"]}}')
echo "$published"
id=$(sed -n 's/.*"id": *"\(sha256:[0-9a-f]*\)".*/\1/p' <<<"$published")

echo '# and call it by its id, with numbers only'
post "/v1/graphs/$id/gradient" '{
  "inputs": {"W": [2.0], "b": [0], "x": [[1], [2], [3]], "y": [[2], [4], [6]]}, "wrt": ["W", "b"]}'

echo '# why is there no gradient?'
post /v1/diagnose '{
  "program": "loss = mean((round(w * x) - y) ** 2)",
  "inputs": {"w": 1.3, "x": [1, 2], "y": [1, 2]}, "target": "loss", "wrt": ["w"]}'
