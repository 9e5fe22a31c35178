"""H1: the classic repository and the list on DynamoDB and S3, as moto has them."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import httpx

import gateway
from chalicelib.ports.stack import Stack
from tests.api.conftest import aws_stack, bucket_maker
from tests.registry.library import Library
from tests.stacks import BUCKET, make_instance, make_namespace

from .making import Chart, put_chart


def ask(stack: Stack, host: str, *paths: str) -> list[httpx.Response]:
    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(gateway.build(stack))
        async with httpx.AsyncClient(transport=transport, base_url=f"https://{host}") as client:
            return [await client.get(path) for path in paths]

    return asyncio.run(all_of_them())


def test_charts_are_listed_and_their_archives_come_from_the_object_store() -> None:
    with aws_stack() as stack:
        bucket_maker(stack)(BUCKET)
        library = Library(stack, make_instance(stack))
        make_namespace(stack, library.instance, default_visibility="public")
        for name in ("nginx", "redis", "web"):
            put_chart(library, Chart(name=name, version="1.0.0+a"))
            put_chart(library, Chart(name=name, version="1.1.0"))
        listed = library.api().get("/instances/ci/charts").json()["items"]
        assert [(one["name"], one["version"]) for one in listed] == [
            (one, "1.1.0") for one in ("nginx", "redis", "web")
        ]
        host = f"{library.instance.label}.{stack.settings.domain}"
        index, archive, elsewhere = ask(
            stack, host, "/charts/ci/library/index.yaml", "/charts/ci/library/nginx-1.0.0+a.tgz",
            "/charts/other/library/index.yaml",
        )  # fmt: skip
        entries = json.loads(index.content)["entries"]
        assert {name: [one["version"] for one in found] for name, found in entries.items()} == {
            name: ["1.1.0", "1.0.0+a"] for name in ("nginx", "redis", "web")
        }
        # The link bears the right to read: it is for this one request.
        assert (archive.status_code, archive.headers["cache-control"]) == (307, "no-store")
        assert (
            urlsplit(archive.headers["location"]).path.startswith(f"/{BUCKET}/")
            or BUCKET in archive.headers["location"]
        )
        assert elsewhere.status_code == 401
        (unknown,) = ask(stack, "nobody.example.com", "/charts/ci/library/index.yaml")
        assert unknown.status_code == 404
