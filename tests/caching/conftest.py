from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .caches import Cached
from .upstream import Upstream, upstream


@pytest.fixture
def there() -> Iterator[Upstream]:
    with upstream() as registry:
        yield registry


@pytest.fixture
def cached(tmp_path: Path, there: Upstream) -> Iterator[Cached]:
    """Namespace `hub`, public, and `vault`, private, pull through `there`, the second from its `team`."""
    made = Cached(tmp_path, there)
    made.cache("hub", there.address)
    made.cache("vault", f"{there.address}/team", default_visibility="private")
    yield made
    made.close()
