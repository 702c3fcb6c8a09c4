"""OpenAPI 3.1 from the declared routes and their pydantic models, and a readable page of it.

Written out here and not by quart-schema: the declarations are the only source that routing, permission and description
share, and the page must work under a policy without scripts (see docs/decisions).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from http import HTTPStatus
from typing import Any, cast

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from patch_manager import __version__
from patch_manager.domain.principal import Permission
from patch_manager.http.errors import PROBLEM_JSON
from patch_manager.http.routing import JSON, LiveOperation, Operation, Reply, Routes
from patch_manager.http.schemas.base import Problem

_VARIABLE = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")
_TYPES: dict[str, dict[str, str]] = {
    "uuid": {"type": "string", "format": "uuid"},
    "int": {"type": "integer"},
    "": {"type": "string"},
}
_PERMISSION_WORDS = {
    Permission.PUBLIC: "No sign-in needed.",
    Permission.SIGNED_IN: "For every signed-in user.",
    Permission.FLEET_READ: "For every signed-in user, about the hosts they may see.",
    Permission.FLEET_OPERATE: "For operators and admins, on the hosts they may see.",
    Permission.ADMIN: "For admins.",
}

Json = dict[str, Any]


def describe(tables: Iterable[Routes]) -> Json:
    """The OpenAPI document of these routes."""
    tables = list(tables)
    operations = [each for table in tables for each in table.operations if not each.hidden]
    live = [each for table in tables for each in table.live_operations]
    modes: list[tuple[type[BaseModel], Any]] = [(Problem, "serialization")]
    for each in operations:
        modes += [(model, "validation") for model in (each.body, each.query) if model is not None]
        modes += [(each.answer, "serialization")] if each.answer is not None else []
    unique = list(dict.fromkeys(modes))
    references, definitions = models_json_schema(unique, ref_template="#/components/schemas/{model}")
    refs = cast("dict[tuple[type[BaseModel], str], Json]", references)
    paths: dict[str, Json] = {}
    for each in operations:
        path = _VARIABLE.sub(r"{\2}", each.path)
        paths.setdefault(path, {})[each.method.lower()] = _operation(each, refs, definitions.get("$defs", {}))
    for stream in live:
        paths.setdefault(stream.path, {})["get"] = _live(stream)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Linux Patch Manager",
            "version": __version__,
            "description": "Errors are problem documents (RFC 9457). Times are UTC (RFC 3339). Unknown fields: 400.",
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(definitions.get("$defs", {}).items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "tags": [{"name": name} for name in sorted({each.tag for each in operations} | {each.tag for each in live})],
    }


def documentation(tables: Iterable[Routes]) -> Routes:
    """Routes of the description itself: the document and a page to read it."""
    routes = Routes("documentation", prefix="/api")
    document = describe(tables)
    encoded = orjson.dumps(document)
    page = _page(document).encode()
    policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    @routes.route("GET", "/openapi.json", permission=Permission.PUBLIC, media_type=JSON, status=200, hidden=True)
    async def openapi() -> bytes:
        """The API's description (OpenAPI 3.1)."""
        return encoded

    @routes.route("GET", "/docs", permission=Permission.PUBLIC, media_type="text/html", hidden=True)
    async def docs() -> Reply:
        """The API's description as a page."""
        return Reply(page, headers={"Content-Security-Policy": policy}, content_type="text/html; charset=utf-8")

    @routes.route("GET", "/docs.css", permission=Permission.PUBLIC, media_type="text/css", hidden=True)
    async def docs_style() -> Reply:
        """The page's style."""
        return Reply(_STYLE.encode(), content_type="text/css; charset=utf-8")

    return routes


def _operation(operation: Operation, refs: dict[tuple[type[BaseModel], str], Json], definitions: Json) -> Json:
    words = " ".join(filter(None, (operation.description, _PERMISSION_WORDS[operation.permission])))
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _TYPES.get(kind, _TYPES[""])}
        for kind, name in _VARIABLE.findall(operation.path)
    ]
    if operation.query is not None:
        parameters += _query(refs[operation.query, "validation"], definitions)
    success: Json = {"description": HTTPStatus(operation.status).phrase}
    if operation.answer is not None:
        success["content"] = {operation.media_type: {"schema": refs[operation.answer, "serialization"]}}
    elif operation.status != HTTPStatus.NO_CONTENT:
        success["content"] = {operation.media_type: {}}
    described: Json = {
        "operationId": operation.name.replace(".", "_"),
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": words,
        "x-permission": operation.permission.value,
        "responses": {str(operation.status): success, "default": _problem()},
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        schema = refs[operation.body, "validation"]
        required = not getattr(operation.body, "may_be_absent", False)
        described["requestBody"] = {"required": required, "content": {JSON: {"schema": schema}}}
    if operation.permission is not Permission.PUBLIC:
        described["security"] = [{"bearer": []}]
    return described


def _query(reference: Json, definitions: Json) -> list[Json]:
    """Parameters of a query model. The model itself stays a component: it says what belongs together."""
    schema: Json = definitions[reference["$ref"].rpartition("/")[2]]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": each}
        for name, each in schema.get("properties", {}).items()
    ]


def _live(operation: LiveOperation) -> Json:
    first = 'WebSocket. The first message is {"type": "auth", "token": …}; the Origin must be our own.'
    words = " ".join(filter(None, (operation.description, first, _PERMISSION_WORDS[operation.permission])))
    return {
        "operationId": operation.name.replace(".", "_"),
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": words,
        "x-permission": operation.permission.value,
        "x-websocket": True,
        "responses": {"101": {"description": "Switching Protocols"}, "default": _problem()},
    }


def _problem() -> Json:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": "A problem document (RFC 9457)", "content": {PROBLEM_JSON: {"schema": schema}}}


def _page(document: Json) -> str:
    sections: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            sections.setdefault(operation["tags"][0], []).append(_entry(method, path, operation))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(entries)}" for tag, entries in sorted(sections.items()))
    schemas = "".join(
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code> '
        f"{escape(schema.get('description', ''))}</summary><pre>{_pretty(schema)}</pre></details>"
        for name, schema in document["components"]["schemas"].items()
    )
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>{escape(info["title"])} API</title><link rel="stylesheet" href="/api/docs.css"></head><body><main>'
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1><p>{escape(info['description'])} "
        f'For programs: <a href="/api/openapi.json">openapi.json</a>.</p>{body}<h2>Shapes</h2>{schemas}'
        "</main></body></html>"
    )


def _entry(method: str, path: str, operation: Json) -> str:
    word = "ws" if operation.get("x-websocket") else method
    shown: Json = {name: operation[name] for name in ("parameters", "requestBody", "responses") if name in operation}
    return (
        f'<details><summary><b class="{word}">{word.upper()}</b> <code>{escape(path)}</code> '
        f"{escape(operation['summary'])}</summary><p>{escape(operation['description'])}</p>"
        f"<pre>{_pretty(shown)}</pre></details>"
    )


def _pretty(value: Json) -> str:
    text = escape(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
    return re.sub(r"(#/components/schemas/)([\w.-]+)", r'<a href="#\2">\2</a>', text)


_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
details { border: 1px solid #8884; border-radius: 6px; margin: .4rem 0; padding: .4rem .8rem }
summary { cursor: pointer } pre { overflow-x: auto; font-size: .85rem }
b { display: inline-block; min-width: 4.5rem; font-family: monospace }
.get { color: #2b8a3e } .post { color: #1971c2 } .put, .patch { color: #e67700 } .delete { color: #e03131 }
.ws { color: #9c36b5 }
"""
