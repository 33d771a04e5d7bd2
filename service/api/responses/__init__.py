"""The shapes of responses, for the OpenAPI document and for the tests that hold the server to it.

`derivatives` has those of queries and graphs, `jobs` those of jobs, data sets and models.
"""
