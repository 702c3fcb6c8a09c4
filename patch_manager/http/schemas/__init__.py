"""Shapes of requests and answers (pydantic): the source of OpenAPI and so of the browser's types."""
