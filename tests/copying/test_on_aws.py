"""Y3: copies between buckets of S3, on moto in this process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.kernel.names import Digest
from chalicelib.ports.stack import Stack
from tests.ports_aws.adapters import open_moto_objects, open_moto_table
from tests.stacks import embedded_stack, make_instance, make_namespace

from .shops import COPY, Route, Shop


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with (
        embedded_stack(tmp_path) as opened,
        open_moto_table(tmp_path) as table,
        open_moto_objects(tmp_path) as buckets,
    ):
        yield replace(opened, table=table, objects=buckets)


def test_an_image_goes_from_bucket_to_bucket_inside_s3(stack: Stack) -> None:
    here, there = make_instance(stack, bucket="one"), make_instance(stack, "far", bucket="two")
    make_namespace(stack, here)
    make_namespace(stack, there, "shelf", auto_create_repository=False)
    source, target = Shop(stack, here), Shop(stack, there, COPY)
    digest = source.push("v1", layers=(b"one" * 1000, b"two" * 1000))
    layer = Digest.of(b"one" * 1000)
    assert [b"".join(source.source().read(layer, 3000, start)) for start in (2998, 3000)] == [b"ne", b""]
    signature = source.sign(digest)
    outcome = Route(source.source(), target.target()).copy()
    assert (outcome.verdict, outcome.moved, outcome.skipped) == ("copied", 0, 6011)
    assert target.layers("v1") == [b"one" * 1000, b"two" * 1000]
    assert target.referrers(digest) == [signature]
    held = target.target().blob(Digest.of(b"one" * 1000))
    assert (held.bucket, len(stack.objects("two").list(f"{there.id}/blobs/").items)) == ("two", 4)
    assert Route(source.source(), target.target()).copy().verdict == "unchanged"
