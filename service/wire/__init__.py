"""The wire format: bytes to checked fields, results to bytes.

`body`         the body of a request: its bytes within the limit, and its media type
`compression`  bodies in gzip and zstd, unpacked within a limit
`json_numbers` NaN and the infinities in JSON: one writer, one reader
`json_reader`  JSON as RFC 8259 has it and no further
`safetensors`  safetensors bodies, with the JSON in the header's metadata
`requests`     the fields of requests, as pydantic models
`responses`    what responses share, as pydantic models
`encoding`     results as JSON, base64 or safetensors
`problems`     every error as RFC 9457 problem details
`server_paths` paths of the server's disk, which no answer shows
"""
