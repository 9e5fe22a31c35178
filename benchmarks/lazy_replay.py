"""A working set read from a registry: of an image that is pulled whole first, and of one that is loaded lazily."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.lazy_client import LazyLayer, Registry, Traffic
from benchmarks.working_set import WorkingSet

_TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
_LINK_BYTES_A_S = 400e6 / 8
_ROUND_TRIP_S = 0.005
_MOUNT_ROUND_TRIPS = 4
_PARALLEL_DOWNLOADS = 3
"""What containerd downloads at once, as it comes."""


@dataclass(frozen=True)
class Start:
    """What was asked for until the working set was readable.

    seconds      as it took here, over loopback, decompressing and checking included
    round_trips  that follow each other: of requests that go out at once one counts
    whole        requests of several ranges that a whole layer came for
    missing      files of the working set that no layer has
    """

    mounting: Traffic
    prefetched: Traffic
    loaded: Traffic
    seconds: float
    round_trips: int
    whole: int = 0
    missing: int = 0

    @property
    def requests(self) -> int:
        return self.mounting.requests + self.prefetched.requests + self.loaded.requests

    @property
    def size(self) -> int:
        return self.mounting.size + self.prefetched.size + self.loaded.size

    @property
    def link_s(self) -> float:
        """Over 400 Mbit/s with 5 ms to and fro, the registry's own time left out."""
        return self.round_trips * _ROUND_TRIP_S + self.size / _LINK_BYTES_A_S


def pull_whole(registry: Registry, reference: str) -> Start:
    manifest, mounting, began = _opened(registry, reference)
    for layer in manifest["layers"]:
        registry.download(layer["digest"])
    loaded = registry.traffic - mounting
    turns = mounting.requests + -(-len(manifest["layers"]) // _PARALLEL_DOWNLOADS)
    return Start(mounting, Traffic(), loaded, time.perf_counter() - began, turns)


def load_lazily(registry: Registry, reference: str, needed: WorkingSet) -> Start:
    return _loaded(registry, reference, lambda layers: _read(layers, needed))


def load_all_lazily(registry: Registry, reference: str) -> Start:
    """The bad case: a program that reads every file of the image."""
    return _loaded(registry, reference, _read_all)


def _loaded(registry: Registry, reference: str, read: Callable[[list[LazyLayer]], int]) -> Start:
    manifest, asked, began = _opened(registry, reference)
    layers = [_layer(registry, described) for described in manifest["layers"]]
    mounting = registry.traffic.copy()
    for layer in layers:
        layer.prefetch()
    prefetched = registry.traffic - mounting
    # The upmost layer that has a file is the one that it is read from.
    missing = read(layers[::-1])
    loaded = registry.traffic - mounting - prefetched
    together = asked.requests + _MOUNT_ROUND_TRIPS + min(prefetched.requests, 1)
    seconds = time.perf_counter() - began
    return Start(mounting, prefetched, loaded, seconds, together + loaded.requests, registry.whole, missing)


def _opened(registry: Registry, reference: str) -> tuple[dict[str, Any], Traffic, float]:
    """The manifest, what it cost with the config, and when that began."""
    began = time.perf_counter()
    manifest = registry.manifest(reference)
    registry.download(manifest["config"]["digest"])
    return manifest, registry.traffic.copy(), began


def _layer(registry: Registry, described: Mapping[str, Any]) -> LazyLayer:
    toc_digest = described.get("annotations", {}).get(_TOC_DIGEST)
    if toc_digest is None:
        raise SystemExit(f"{described['digest']} is not loadable lazily")
    return LazyLayer(registry, described["digest"], toc_digest)


def _read(layers: list[LazyLayer], needed: WorkingSet) -> int:
    missing = set()
    for read in needed.reads:
        if not any(layer.read(read.path, read.start, read.end) for layer in layers):
            missing.add(read.path)
    return len(missing)


def _read_all(layers: list[LazyLayer]) -> int:
    for layer in layers:
        layer.read_all()
    return 0
