"""GitHub's OpenAPI description: its examples, and what it says about a request or an answer.

It does not know the fake's state; it only compares JSON with a schema.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema

from tests.fetched import kept

_URL = "https://api.github.com"

# Answers that every operation may give, whether its description lists them or not.
COMMON = {
    401: "basic-error",
    403: "basic-error",
    404: "basic-error",
    409: "basic-error",
    410: "basic-error",
    422: "validation-error",
    429: "basic-error",
}
MAPS = frozenset({"properties", "patternProperties"})
PROSE = frozenset({"example", "examples", "description", "discriminator", "x-github", "default"})
_FORMATS = jsonschema.FormatChecker(())
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_FORMATS.checks("date-time")(lambda v: not isinstance(v, str) or bool(_MOMENT.fullmatch(v)))
_FORMATS.checks("uri")(lambda v: not isinstance(v, str) or "://" in v)


@dataclass(frozen=True, slots=True)
class Description:
    """The OpenAPI document, and the same schemas as JSON schemas (draft 7)."""

    paths: dict[str, Any]
    components: dict[str, Any]
    events: dict[str, Any]
    definitions: dict[str, Any]

    def example(self, name: str, url: str, replaced: Mapping[str, str]) -> Any:
        """A fresh copy of a named example, with ``url`` in place of the public API's address."""
        text = json.dumps(self.components["examples"][name]["value"]).replace(_URL, url)
        for old, new in replaced.items():
            text = text.replace(old, new)
        return json.loads(text)

    def operation(self, method: str, template: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.paths.get(template, {}).get(method.lower())
        return found

    def resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        kind, name = node["$ref"].split("/")[-2:]
        return dict(self.components[kind][name])

    def faults(self, schema: dict[str, Any], value: Any) -> list[str]:
        """What is wrong with a value, one line each; empty when it fits."""
        whole = {**_json_schema(schema), "components": {"schemas": self.definitions}}
        checker = jsonschema.Draft7Validator(whole, format_checker=_FORMATS)
        return [_line(error) for error in checker.iter_errors(value)]

    def request_faults(
        self, method: str, template: str, query: Mapping[str, str], body: Any
    ) -> list[str]:
        operation = self.operation(method, template)
        if operation is None:
            return ["the description has no such operation; a new one needs python -m tests.trim"]
        known = [self.resolved(each) for each in operation.get("parameters", [])]
        allowed = {each["name"]: each["schema"] for each in known if each["in"] == "query"}
        faults = [f"unknown query parameter {name}" for name in query if name not in allowed]
        for name in query.keys() & allowed.keys():
            value = _typed(query[name], allowed[name])
            faults += [f"query {name}: {fault}" for fault in self.faults(allowed[name], value)]
        return faults + self._body_faults(operation, body)

    def _body_faults(self, operation: dict[str, Any], body: Any) -> list[str]:
        described = operation.get("requestBody", {})
        if body is None:
            return ["the body is missing"] if described.get("required") else []
        content = described.get("content", {}).get("application/json")
        if content is None:
            return [] if body == {} else ["this operation takes no body"]
        schema = content["schema"]
        if isinstance(body, list):
            # "You can also pass an array of labels directly", says the prose, not the schema.
            body = {"labels": body}
        faults = [f"body: {fault}" for fault in self.faults(schema, body)]
        if isinstance(body, dict) and schema.get("type") == "object":
            known = schema.get("properties", {})
            faults += [f"unknown body field {name}" for name in body if name not in known]
        return faults

    def answer_faults(self, method: str, template: str, status: int, data: Any) -> list[str]:
        operation = self.operation(method, template)
        if operation is None:
            return []
        described = operation["responses"].get(str(status))
        if described is None:
            if status not in COMMON:
                return [f"status {status} is not described"]
            return self.faults({"$ref": f"#/components/schemas/{COMMON[status]}"}, data)
        content = self.resolved(described).get("content", {}).get("application/json")
        if content is None:
            return [] if data is None else [f"status {status} has no body"]
        return self.faults(content["schema"], data)

    def event_faults(self, name: str, payload: Any) -> list[str]:
        """Compare an event's payload with the description of the webhook (``issues-labeled``)."""
        body = self.resolved(self.events[name]["post"]["requestBody"])
        schema: dict[str, Any] = body["content"]["application/json"]["schema"]
        return self.faults(schema, payload)


@functools.cache
def description() -> Description:
    document = json.loads(kept("openapi.json"))
    schemas = document["components"]["schemas"]
    return Description(
        paths=document["paths"],
        components=document["components"],
        events=document["x-webhooks"],
        definitions={name: _json_schema(each) for name, each in schemas.items()},
    )


def _json_schema(node: Any) -> Any:
    """An OpenAPI 3.0 schema as a draft 7 schema.

    ``oneOf`` becomes ``anyOf``, because GitHub's alternatives overlap (a string or an object
    with optional fields) and more than one of them often fits.
    """
    if isinstance(node, list):
        return [_json_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        return {"$ref": node["$ref"]}
    made: dict[str, Any] = {}
    for key, value in node.items():
        if key in MAPS:
            made[key] = {name: _json_schema(each) for name, each in value.items()}
        elif key == "enum":
            made[key] = [*value, None] if node.get("nullable") else value
        elif key not in PROSE:
            made["anyOf" if key == "oneOf" else key] = _json_schema(value)
    if made.pop("nullable", False):
        return {"anyOf": [made, {"type": "null"}]}
    return made


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if schema.get("type") == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def _line(error: Any) -> str:
    """The deepest cause of a schema error, with its place in the value."""
    best = jsonschema.exceptions.best_match([error])
    cause = best if best is not None else error
    place = "/".join(str(step) for step in cause.absolute_path)
    return f"{place or '(top)'}: {cause.message[-300:]}"
