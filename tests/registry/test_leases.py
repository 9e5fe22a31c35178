"""X3: content that no manifest names yet waits for one as long as the operator says."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.collection.service import Fsck, Sweeper
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import BlobUnknown
from chalicelib.kernel.names import Digest
from tests.stacks import FrozenClock, embedded_stack

from .images import NAME, image, push_blob, push_manifest
from .library import OTHER, Library

LAYER = b"layer" * 100
TTL_S = 600


def test_a_blob_waits_for_its_manifest_as_long_as_the_operator_says(tmp_path: Path) -> None:
    """X3"""
    clock = FrozenClock()
    with embedded_stack(tmp_path, clock, upload_ttl_s=TTL_S, tombstone_s=0) as stack:
        library = Library.opened(stack)
        for data in (LAYER, b"{}"):
            push_blob(library.registry, library.owner, data)
        clock.advance(TTL_S / 2)
        # Being told that it is here is as good as having uploaded it.
        library.registry.renew(library.owner, NAME, Digest.of(LAYER))
        clock.advance(TTL_S / 2 + 1)
        Sweeper(stack).run()
        with pytest.raises(BlobUnknown):
            library.registry.renew(library.owner, NAME, Digest.of(b"{}"))
        push_blob(library.registry, library.owner, b"{}")
        push_manifest(library.registry, library.owner, image(LAYER), "v1")
        clock.advance(TTL_S + 1)
        Sweeper(stack).run()
        assert library.registry.blob(library.owner, NAME, Digest.of(LAYER)).size == len(LAYER)
        assert list(Fsck(stack, deep=True).run()) == []


def test_a_mounted_blob_that_no_manifest_names_goes_with_its_lease(tmp_path: Path) -> None:
    """X3"""
    clock = FrozenClock()
    with embedded_stack(tmp_path, clock, upload_ttl_s=TTL_S, tombstone_s=0) as stack:
        library = Library.opened(stack)
        push_blob(library.registry, library.owner, LAYER)
        clock.advance(TTL_S - 1)
        assert library.registry.mount(library.owner, OTHER, Digest.of(LAYER), NAME)
        clock.advance(2)
        Sweeper(stack).run()
        assert library.registry.blob(library.owner, OTHER, Digest.of(LAYER)).size == len(LAYER)
        clock.advance(TTL_S)
        Sweeper(stack).run()
        assert Instances(stack).usage(library.instance).storage.used == 0
        assert list(Fsck(stack, deep=True).run()) == []
