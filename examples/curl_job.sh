#!/usr/bin/env bash
# Linear regression as one training job, with nothing but curl.
# Start a server (`make run`), then: bash examples/curl_job.sh
set -euo pipefail
url=${GRADWIRE_URL:-http://127.0.0.1:8000}

echo '# submit the job: it runs on the server from here on'
job=$(curl --silent --show-error --fail-with-body -H 'Content-Type: application/json' "$url/v1/jobs" -d '{
  "program": "pred = W * x + b\nloss = mean((pred - y) ** 2)",
  "target": "loss",
  "parameters": {"W": {"value": [0.5]}, "b": {"shape": [1], "initializer": "zeros"}},
  "data": {"x": [[1], [2], [3]], "y": [[2], [4], [6]]},
  "optimizer": {"name": "sgd", "learning_rate": 0.01},
  "batch_size": 3, "epochs": 1000}')
echo "$job"
id=$(sed -n 's/.*"id": *"\(job_[0-9a-f]*\)".*/\1/p' <<<"$job")

echo '# follow it until it ends; the last event says how'
curl --silent --show-error --fail --no-buffer "$url/v1/jobs/$id/events" | tail -n 3

echo '# what it learned'
curl --silent --show-error --fail-with-body "$url/v1/jobs/$id/parameters"
echo

echo '# and what it predicts'
curl --silent --show-error --fail-with-body -H 'Content-Type: application/json' "$url/v1/jobs/$id/predict" \
    -d '{"inputs": {"x": [[4]]}, "outputs": ["pred"]}'
echo
