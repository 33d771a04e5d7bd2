"""What every request passes before its endpoint, as plain ASGI.

`access`    request ids, the log line, the metrics, the last net under every exception
`auth`      the key
`hot_path`  derivatives, answered before anything is routed
`compression`  large answers of what is routed, in gzip or zstd
"""
