"""What operators read: `logs`, structured log lines, and `metrics`, for Prometheus."""
