"""A request as API Gateway's Lambda proxy integration would hand it to the Chalice app (payload format 1.0)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from chalicelib.edge.apicall import INTERNAL


class Paths:
    """Finds the route a path means. A literal segment goes before a parameter, as in API Gateway."""

    def __init__(self, routes: Iterable[str]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in _segments(route):
                node = node.child(segment)
            node.route = route

    def find(self, path: str) -> tuple[str, dict[str, str]] | None:
        """The route and its parameters as they stand in the path, None if there is none."""
        return self._root.find(_segments(path), 0)


@dataclass
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    parameters: dict[str, _Node] = field(default_factory=dict)
    route: str = ""

    def child(self, segment: str) -> _Node:
        if segment.startswith("{"):
            return self.parameters.setdefault(segment[1:-1], _Node())
        return self.literal.setdefault(segment, _Node())

    def find(self, segments: list[str], at: int) -> tuple[str, dict[str, str]] | None:
        if at == len(segments):
            return (self.route, {}) if self.route else None
        segment = segments[at]
        if segment in self.literal:
            found = self.literal[segment].find(segments, at + 1)
            if found is not None:
                return found
        if segment:
            for name, node in self.parameters.items():
                found = node.find(segments, at + 1)
                if found is not None:
                    return found[0], {name: segment, **found[1]}
        return None


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def proxy_event(
    *,
    method: str,
    route: str,
    path: str,
    parameters: Mapping[str, str],
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    address: str,
    internal: bool,
    request_id: str,
) -> dict[str, Any]:
    """`route` and `parameters` as `Paths.find` answers them; `query` as it stands in the URL."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return {
        "resource": route,
        "path": path,
        "httpMethod": method,
        "headers": dict(headers),
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: found[-1] for name, found in values.items()} or None,
        "multiValueQueryStringParameters": values or None,
        "pathParameters": dict(parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": route,
            "path": path,
            "httpMethod": method,
            "requestId": request_id,
            "identity": {"sourceIp": address},
            INTERNAL: internal,
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }
