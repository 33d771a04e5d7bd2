#!/usr/bin/env bash
# Training with nothing but curl: a linear regression as one job, then the same from a CSV file.
# Start a server (`make run`), then: bash examples/job_session.sh
set -euo pipefail
url=${GRADWIRE_URL:-http://127.0.0.1:8000}

ask() { # METHOD PATH [CURL OPTIONS]: prints the answer on one line; fails on an HTTP error
    curl --silent --show-error --fail-with-body -X "$1" "$url$2" "${@:3}"
    echo
}

field() { # NAME: the first string of that name in the JSON on standard input
    sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1
}

wait_for() { # ID: until the job has ended; prints the job
    local job
    while true; do
        job=$(ask GET "/v1/jobs/$1")
        case $(grep -o '"status": *"[a-z]*"' <<<"$job" | head -n 1) in
            *succeeded*) echo "$job" && return ;;
            *failed* | *cancelled*) echo "$job" >&2 && return 1 ;;
        esac
        sleep 0.2
    done
}

echo '# submit: W and b are trained, x and y are data'
job=$(ask POST /v1/jobs -H 'Content-Type: application/json' -d '{
  "program": "pred = W * x + b\nloss = mean((pred - y) ** 2)", "target": "loss",
  "parameters": {"W": {"value": [0.5]}, "b": {"shape": [1], "initializer": "zeros"}},
  "data": {"x": [[1], [2], [3]], "y": [[2], [4], [6]]},
  "optimizer": {"name": "sgd", "learning_rate": 0.01}, "batch_size": 3, "epochs": 1000}')
id=$(field id <<<"$job")
wait_for "$id"

echo '# what it learned, and what it says of x = 4'
ask GET "/v1/jobs/$id/parameters"
ask POST "/v1/jobs/$id/predict" -H 'Content-Type: application/json' -d '{"inputs": {"x": [[4]]}, "outputs": ["pred"]}'

echo '# the same from a CSV file: each column is a field of the data set'
data=$(printf 'x,y\n1,2\n2,4\n3,6\n' | ask POST /v1/datasets -H 'Content-Type: text/csv' --data-binary @-)
echo "$data"
dataset=$(field id <<<"$data")
job=$(ask POST /v1/jobs -H 'Content-Type: application/json' -d '{
  "program": "loss = mean((W * x + b - y) ** 2)",
  "parameters": {"W": {"value": 0.5}, "b": {"value": 0}},
  "data": {"x": {"dataset": "'"$dataset"'", "field": "x"}, "y": {"dataset": "'"$dataset"'", "field": "y"}},
  "optimizer": {"name": "sgd", "learning_rate": 0.01}, "batch_size": 3, "epochs": 1000}')
id=$(field id <<<"$job")
wait_for "$id" >/dev/null
ask GET "/v1/jobs/$id/parameters"
