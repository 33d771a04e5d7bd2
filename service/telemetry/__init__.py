"""What operators read.

`logs`         structured log lines
`request_log`  the line that each request gets
`metrics`      counts and times, for Prometheus
"""
