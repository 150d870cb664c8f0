"""Makes the files of ``tests/kept`` anew from their npm packages: ``python -m tests.trim``.

It does not know how tests use them. GitHub's OpenAPI description is cut down to the operations,
examples and webhooks that the tests' GitHub names; all else is kept whole, without prose.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fetched import KEPT, from_npm
from tests.github import rules, schemas

PROSE = schemas.PROSE | {"externalDocs", "operationId", "summary", "tags"}


def openapi(text: str) -> str:
    document = json.loads(text)
    source = "".join(path.read_text() for path in Path(schemas.__file__).parent.glob("*.py"))

    def named(whole: dict[str, Any]) -> dict[str, Any]:
        return {name: each for name, each in whole.items() if f'"{name}"' in source}

    paths: dict[str, Any] = {}
    for _, route in rules._routes():
        method = route.method.lower()
        described = document["paths"].get(route.template, {}).get(method)
        if described is not None:  # else a test says that GitHub has no such operation
            paths.setdefault(route.template, {})[method] = _bare(described)
    events = _bare(named(document["x-webhooks"]), is_map=True)
    components = {"examples": named(document["components"]["examples"])}
    common = [f"#/components/schemas/{name}" for name in schemas.COMMON.values()]
    _follow([paths, events, common], document["components"], components)
    return json.dumps({"components": components, "paths": paths, "x-webhooks": events})


def _bare(node: Any, *, is_map: bool = False) -> Any:
    """The node without prose; the keys of a map are names, whatever they say."""
    if isinstance(node, list):
        return [_bare(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _bare(value, is_map=key in schemas.MAPS and not is_map)
        for key, value in node.items()
        if is_map or key not in PROSE
    }


def _follow(node: Any, components: dict[str, Any], found: dict[str, dict[str, Any]]) -> None:
    """Put what a node refers to, and what that refers to, into ``found``."""
    for kind, name in re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(node)):
        if name not in found.setdefault(kind, {}):
            found[kind][name] = _bare(components[kind][name])
            _follow(found[kind][name], components, found)


def graphql(text: str) -> str:
    return re.sub(r'^ *""".*?"""\n', "", text, flags=re.MULTILINE | re.DOTALL)


def short(text: str) -> str:
    return json.dumps(json.loads(text))


SOURCES: dict[str, tuple[str, str, str, Callable[[str], str]]] = {
    "openapi.json": ("@octokit/openapi", "23.0.2", "generated/api.github.com.json", openapi),
    "schema.graphql": ("@octokit/graphql-schema", "15.26.1", "schema.graphql", graphql),
    "webhooks.json": ("@octokit/webhooks-examples", "7.6.1", "api.github.com/index.json", short),
    "sarif.json": (
        *("@microsoft/jest-sarif", "1.0.0-beta.0", "lib/schemas/sarif-2.1.0-rtm.5.json"),
        short,
    ),
}
"""Package, version, member and what is kept of it, by the file's name without ``.xz``."""


def made(name: str) -> str:
    package, version, member, trimmed = SOURCES[name]
    return trimmed(from_npm(package, version, member).decode())


if __name__ == "__main__":
    for name in SOURCES:
        data = lzma.compress(made(name).encode(), preset=9 | lzma.PRESET_EXTREME)
        (KEPT / f"{name}.xz").write_bytes(data)
