"""X7 on DynamoDB, S3 and SQS (moto in process): an image is pulled through, brought here, and served without its
upstream."""

from __future__ import annotations

import asyncio

import httpx

import gateway
from chalicelib.caching.handlers import fill_cache
from chalicelib.collection.service import Fsck
from chalicelib.kernel.messages import FillCache
from chalicelib.kernel.names import Digest
from tests.api.conftest import aws_stack
from tests.management import Api
from tests.stacks import FrozenClock, make_instance, make_namespace

from .upstream import Upstream

# More than one part of S3, and less than two.
LAYER = b"a layer" * 1_000_000
BLOB = Digest.of(LAYER)


def test_an_image_is_pulled_through_and_stays(there: Upstream) -> None:
    """X7"""
    digest = there.add_image("team/app", "v1", LAYER, b"small")
    with aws_stack() as stack:
        clock = stack.clock
        assert isinstance(clock, FrozenClock)
        instance = make_instance(stack, bucket=stack.settings.bucket)
        make_namespace(stack, instance, "hub", default_visibility="public")
        made = {"namespace": "hub", "upstream": there.address}
        assert Api.signed_in(stack).post("/instances/ci/caches", made).status == 201
        app, host = gateway.build(stack), f"{instance.label}.{stack.settings.domain}"

        async def pull(*paths: str) -> list[httpx.Response]:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=f"https://{host}") as client:
                return [await client.get(f"/v2/hub/team/app/{path}") for path in paths]

        manifest, blob = asyncio.run(pull("manifests/v1", f"blobs/{BLOB}"))
        assert (manifest.status_code, manifest.headers["docker-content-digest"]) == (200, digest)
        assert (blob.status_code, blob.content) == (200, LAYER)
        message = FillCache(instance_id=instance.id, repository="hub/team/app", digest=digest, tag="v1")
        assert fill_cache(stack, message) == ()
        there.down = True
        clock.advance(4000)
        manifest, blob, small = asyncio.run(pull("manifests/v1", f"blobs/{BLOB}", f"blobs/{Digest.of(b'small')}"))
        assert (manifest.status_code, manifest.headers["warning"][:3]) == (200, "110")
        assert (blob.status_code, small.status_code) == (307, 307)
        assert there.count("GET", BLOB) == 1
        assert list(Fsck(stack, deep=True).run()) == []
