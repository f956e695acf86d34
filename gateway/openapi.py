"""The API's description, OpenAPI 3.1: made of the routes and of the very classes that validate and answer. Pure."""

import inspect
import re

import msgspec

from gateway.api_keys import KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER
from gateway.identity import ADMIN, ANYBODY
from gateway.replies import Failure, Meta
from gateway.validation import MEDIA_TYPE

TITLE, VERSION = "Trade engine", "1"
REFERENCE = "#/components/schemas/{name}"

SECURITY_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "`Authorization: Bearer ...`"},
    **{
        name: {"type": "apiKey", "in": "header", "name": header}
        for name, header in (("key", KEY_HEADER), ("timestamp", TIME_HEADER), ("signature", SIGNATURE_HEADER))
    },
}
SECURITY: list = [{"token": []}, {"key": [], "timestamp": [], "signature": []}]

DESCRIPTION = """\
Every answer is an envelope: `success`, then `data` or `error` (`code` is stable, `details.field` names what is to
blame), and `meta`. Decimals and ids are text, times ISO-8601 in UTC. A symbol is `BTC-USDT` or, in a path,
`BTC%2FUSDT`."""

_ETAG = {"ETag": {"description": "For If-None-Match", "required": True, "schema": {"type": "string"}}}
_MEANINGS = {
    400: "The request is no valid JSON, or a parameter is wrong",
    401: "No valid token",
    403: "Not allowed",
    404: "There is no such thing, or it is not yours",
    408: "The body did not come in time",
    409: "Not possible as things stand",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "A field is wrong, or the exchange rejected it",
    429: "Too many requests: Retry-After says when there may be more",
    503: "The exchange, or what it needs, cannot be reached: Retry-After says when to try again",
}


def document(routes):
    """-> the document as a dict."""
    types = {Failure, Meta}
    for route in routes:
        types.update({route.response, route.query} | ({route.body} if route.body is not None else set()))
    ordered = sorted(types, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=REFERENCE)
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: dict = {}
    for route in routes:
        operation = _operation(route, schema_of, components)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    for query in {route.query for route in routes}:
        components.pop(query.__name__, None)  # told as parameters
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": DESCRIPTION},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SECURITY_SCHEMES},
    }


def _operation(route, schema_of, components):
    operation = {
        "operationId": re.sub(r"\W+", "_", route.method.lower() + route.path.removeprefix("/api/v1")).strip("_"),
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": _path_parameters(route) + _query_parameters(route, schema_of, components),
        "responses": _responses(route, schema_of),
        "security": [] if route.role == ANYBODY else SECURITY,
    }
    description = inspect.getdoc(route.handler) or ""
    if route.role == ADMIN:
        description = (description + "\n\nFor the role `admin`.").strip()
    if description:
        operation["description"] = description
    if route.body is not None:
        content: dict = {"schema": schema_of[route.body]}
        examples = [example for example in route.examples if example.body is not None]
        if examples:
            content["examples"] = {"%d" % (number + 1): {"value": e.body} for number, e in enumerate(examples)}
        operation["requestBody"] = {"required": True, "content": {MEDIA_TYPE: content}}
    return operation


def _path_parameters(route):
    found = []
    for name in re.findall(r"{(\w+)}", route.path):
        pattern, example = route.parameters[name]
        schema = {"type": "string", "pattern": "^%s$" % pattern}
        found.append({"name": name, "in": "path", "required": True, "schema": schema, "example": example})
    return found


def _query_parameters(route, schema_of, components):
    described = components[schema_of[route.query]["$ref"].rpartition("/")[2]]
    found = []
    for name, schema in described["properties"].items():
        parameter = {"name": name, "in": "query", "required": name in described.get("required", ())}
        parameter["schema"] = _without_null(schema)
        found.append(parameter)
    return found


def _without_null(schema):
    """A parameter is left out where it is not given."""
    schema = {key: value for key, value in schema.items() if key != "default" or value is not None}
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema.update(kinds[0])
    return schema


def _responses(route, schema_of):
    statuses = {429, *route.errors}
    if route.role != ANYBODY:
        statuses |= {401, 403}
    if route.body is not None:
        statuses |= {400, 408, 413, 415, 422}
    if route.query.__struct_fields__ or route.path.count("{"):
        statuses |= {400}
    if route.parameters:
        statuses |= {404}
    responses = {str(route.status): _response("As asked", _success(schema_of[route.response]))}
    for status in route.others:
        responses[str(status)] = _response("As asked before", _success(schema_of[route.response]))
    if route.has_etag:
        responses[str(route.status)]["headers"] = _ETAG
        responses["304"] = {"description": "It is still what If-None-Match names: no body", "headers": _ETAG}
    for status in sorted(statuses):
        responses[str(status)] = _response(_MEANINGS[status], schema_of[Failure])
    return responses


def _success(data):
    return {
        "type": "object",
        "properties": {"success": {"const": True}, "data": data, "meta": {"$ref": REFERENCE.format(name="Meta")}},
        "required": ["success", "data", "meta"],
    }


def _response(description, schema):
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
