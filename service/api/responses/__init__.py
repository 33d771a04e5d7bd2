"""The shapes of responses, for the OpenAPI document and for the tests that hold the server to it.

`graphs` has those about published graphs, `jobs` those about jobs, data sets and models, `server` those about
ops, health and errors. A kind of query has its own.
"""
