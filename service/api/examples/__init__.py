"""Worked examples of requests, which the OpenAPI document shows and a test sends.

`jobs` and `model` have those of the endpoints they are named after; a kind of query has its own.
"""
