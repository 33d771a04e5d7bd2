"""Worked examples of requests: the OpenAPI document shows them and a test sends them."""
