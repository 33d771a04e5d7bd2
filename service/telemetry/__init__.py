"""What operators read.

`logs`         structured log lines
`request_log`  the line that each request gets
`metrics`      counts and times, for Prometheus
`sums`         the metrics of several processes as one
`whole_lines`  lines of several processes on one standard error, none within another
"""
