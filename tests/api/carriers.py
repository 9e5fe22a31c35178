"""What brings requests to the Chalice app: API Gateway's events, Chalice's own gateway, the embedded service's socket.

Each is a `management.Carrier`: the same tests run over all of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket
from typing import Any
from urllib.parse import parse_qsl

import httpx
import uvicorn
from chalice.config import Config
from chalice.local import LocalGateway

import app as service
import gateway
from chalicelib.edge.apicall import given
from chalicelib.host.bridge import ApiBridge
from chalicelib.ports.stack import Stack
from tests.management import Reply, Sent, paths


def as_api_gateway_event(sent: Sent) -> dict[str, Any]:
    """All fields of payload format 1.0. Source: the API Gateway developer guide, "Lambda proxy integrations"."""
    found = paths().find(sent.path)
    assert found is not None, f"no route for {sent.path}"
    route, parameters = found
    pairs = parse_qsl(sent.query, keep_blank_values=True)
    headers = {
        "Accept": "*/*",
        "CloudFront-Viewer-Country": "DE",
        "User-Agent": "tests",
        "X-Amzn-Trace-Id": "Root=1-5e66d96f-7491f09xmpl79d18acf3d050",
        "X-Forwarded-For": f"198.51.100.1, {sent.address}",
        "X-Forwarded-Port": "443",
        **{"-".join(part.capitalize() for part in name.split("-")): value for name, value in sent.headers.items()},
    }
    return {
        "resource": route,
        "path": sent.path,
        "httpMethod": sent.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": dict(pairs) or None,
        "multiValueQueryStringParameters": {name: [v for n, v in pairs if n == name] for name, _ in pairs} or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "id",
            "authorizer": None,
            "domainName": "id.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "id",
            "extendedRequestId": "JKJaXmPLvHcESHA=",
            "httpMethod": sent.method,
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": sent.address,
                "user": None,
                "userAgent": "tests",
                "userArn": None,
            },
            "path": f"/api{sent.path}",
            "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "requestTime": "31/Jan/2026:08:00:00 +0000",
            "requestTimeEpoch": 1769846400000,
            "resourceId": "abc123",
            "resourcePath": route,
            "stage": "api",
        },
        "body": sent.body.decode() if sent.body else None,
        "isBase64Encoded": False,
    }


def api_gateway(stack: Stack, sent: Sent) -> Reply:
    """Lambda, called by API Gateway."""
    with given(stack):
        return _reply(service.app(as_api_gateway_event(sent), None))


def chalice_local(stack: Stack, sent: Sent) -> Reply:
    """What `chalice local` runs behind its HTTP server."""
    local = LocalGateway(service.app, Config())
    path = sent.path + (f"?{sent.query}" if sent.query else "")
    with given(stack):
        return _reply(
            local.handle_request(method=sent.method, path=path, headers=dict(sent.headers), body=sent.body or None)
        )


def _reply(answer: Any) -> Reply:
    return Reply(answer["statusCode"], answer["headers"], answer["body"])


@dataclass(frozen=True)
class Socket:
    """The embedded service's gateway, asked by an HTTP client."""

    client: httpx.Client

    def __call__(self, _stack: Stack, sent: Sent) -> Reply:
        path = sent.path + (f"?{sent.query}" if sent.query else "")
        answer = self.client.request(sent.method, path, headers=dict(sent.headers), content=sent.body)
        headers = {
            "-".join(part.capitalize() for part in name.split("-")): answer.headers[name] for name in answer.headers
        }
        return Reply(answer.status_code, headers, answer.text)


class _Server(uvicorn.Server):
    """In a thread; says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = threading.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()


@contextmanager
def served(stack: Stack) -> Iterator[Socket]:
    """The gateway with the API on this stack, on a port of 127.0.0.1, in a thread of this process."""
    application = gateway.build(stack, ApiBridge(stack, service.app, service.app.routes))
    server = _Server(uvicorn.Config(application, port=0, log_level="warning", access_log=False, ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="gateway")
    thread.start()
    server.answers.wait(20)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            yield Socket(client)
    finally:
        server.should_exit = True
        thread.join(20)
