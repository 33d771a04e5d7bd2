"""The shapes of responses, for the OpenAPI document and for the tests that hold the server to it."""
