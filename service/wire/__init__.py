"""The wire format: bytes to checked fields, results to bytes.

`body`         the body of a request: its bytes within the limit, and its media type
`compression`  bodies in gzip and zstd, unpacked within a limit
`json_numbers` NaN and the infinities in JSON: one writer, one reader
`json_reader`  JSON as RFC 8259 has it and no further
`safetensors`  safetensors bodies, with the JSON in the header's metadata
`requests`     the fields of requests, as pydantic models
`responses`    what responses share, as pydantic models
`held_bytes`   bytes that are held for callers, bounded in all and for each
`stored_answer` a large answer in a file of memory
`encoding`     results as JSON, base64 or safetensors
`visible_text` text of others without what a terminal would obey
`problems`     every error as RFC 9457 problem details
`server_paths` paths of the server's disk, which no answer shows
"""
