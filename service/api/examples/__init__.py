"""Worked examples of requests, which the OpenAPI document shows and a test sends.

`derivatives`, `jobs` and `model` have those of the endpoints they are named after.
"""
