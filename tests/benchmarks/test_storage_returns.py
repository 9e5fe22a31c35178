"""X3: deleted bytes come back, and collection costs what was deleted. The full size is a benchmark."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from benchmarks.operations import BlobMaker
from benchmarks.storage_returns import Moving, World, stages
from chalicelib.collection.service import Fsck
from tests.stacks import embedded_stack

# Ten images, if their layers had the size that the benchmark gives them.
GIB = 10 * 16 / 1024
LAYER_BYTES = 256 * 1024
IMAGE_BYTES = 8 * LAYER_BYTES


def test_collection_gives_back_what_was_deleted_at_a_cost_that_more_content_does_not_raise(tmp_path: Path) -> None:
    """X3"""
    clock = Moving(datetime(2026, 1, 1, tzinfo=UTC))
    with embedded_stack(tmp_path, clock) as stack:
        world = World.opened(stack, clock)
        world.layers = BlobMaker(LAYER_BYTES)
        small, large, most = stages(world, GIB)
        assert list(Fsck(stack, deep=True).run()) == []
    assert large.stored_before > 3 * small.stored_before
    # A read more or less depends on how rows fall into shards.
    assert abs(large.calls.total() - small.calls.total()) <= 4
    assert most.images == 9
    left = sum(path.stat().st_size for path in (world.data / "buckets").rglob("*") if path.is_file())
    assert 0 < left < 2 * IMAGE_BYTES
    assert large.quiet_calls == small.quiet_calls == most.quiet_calls
