"""A client that loads what it reads, as containerd's stargz snapshotter does with its settings as they come.

    mount      two bytes, HEAD, the footer, the table of contents: a request each, in blocks of 50,000 bytes
    prefetch   all before the landmark in one request, if the layer has one
    read       a chunk that is missing, by pieces of 2 MiB; of each the blocks that are missing, in one request

Every chunk is decompressed and held against its digest. Nothing is fetched in the background, which the snapshotter
would do once the container runs.
Source: containerd/stargz-snapshotter 0.12, fs/remote/{blob,resolver}.go, fs/layer/layer.go, estargz/estargz.go.
"""

import bisect
import hashlib
import http.client
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

BLOCK_BYTES = 50_000
_PIECE_BYTES = 2 << 20
_FOOTER_BYTES = 51
_LANDMARK = ".prefetch.landmark"
_TAR_HEADER = 512
_OK, _PARTIAL = 200, 206


@dataclass
class Traffic:
    """Requests, and bytes of bodies that came."""

    requests: int = 0
    size: int = 0

    def __sub__(self, other: "Traffic") -> "Traffic":
        return Traffic(self.requests - other.requests, self.size - other.size)

    def copy(self) -> "Traffic":
        return Traffic(self.requests, self.size)


@dataclass
class Registry:
    """One connection, kept open, and what went over it."""

    port: int
    repository: str
    headers: dict[str, str]
    traffic: Traffic = field(default_factory=Traffic)
    whole: int = 0
    _connection: http.client.HTTPConnection | None = None

    def manifest(self, reference: str) -> dict[str, Any]:
        accepted = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        answer, body = self.ask("GET", f"manifests/{reference}", {"Accept": accepted})
        if answer.status != _OK:
            raise SystemExit(f"manifest {reference}: {answer.status}")
        found: dict[str, Any] = json.loads(body)
        return found

    def download(self, digest: str) -> int:
        """The whole blob, held against its digest."""
        answer, body = self.ask("GET", f"blobs/{digest}", {})
        if answer.status != _OK or f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
            raise SystemExit(f"{digest} did not come as it is: {answer.status}")
        return len(body)

    def ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self._connection.request(method, f"/v2/{self.repository}/{path}", headers={**self.headers, **headers})
        answer = self._connection.getresponse()
        body = answer.read()
        self.traffic.requests += 1
        self.traffic.size += len(body)
        return answer, body

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


@dataclass(frozen=True)
class Chunk:
    """Of a file: from where to where, and where its member begins and ends in the blob."""

    start: int
    end: int
    offset: int
    next_offset: int
    digest: str


class LazyLayer:
    """A layer of which only what is read is loaded."""

    def __init__(self, registry: Registry, digest: str, toc_digest: str) -> None:
        self._registry = registry
        self._path = f"blobs/{digest}"
        self._blocks: dict[int, bytes] = {}
        self._read: set[tuple[str, int]] = set()
        registry.ask("GET", self._path, {"Range": "bytes=0-1"})
        answer, _ = registry.ask("HEAD", self._path, {})
        self.size = int(answer.headers["Content-Length"])
        footer = self._bytes(self.size - _FOOTER_BYTES, self.size)
        self._toc_offset = int(footer[16:32], 16)
        toc = _table(self._bytes(self._toc_offset, self.size - _FOOTER_BYTES))
        if f"sha256:{hashlib.sha256(toc).hexdigest()}" != toc_digest:
            raise SystemExit(f"{digest} has another table of contents than its manifest says")
        self.files, self.links, self._landmark = _chunks(json.loads(toc)["entries"], self.size)

    def prefetch(self) -> None:
        if self._landmark:
            self._bytes(0, self._landmark)
            for path, chunks in self.files.items():
                for chunk in chunks:
                    if chunk.offset < self._landmark:
                        self._load(path, chunk, chunks[-1].next_offset)

    def read(self, path: str, start: int, end: int) -> bool:
        """Whether the layer has it; whole chunks are loaded."""
        found = self.files.get(self.links.get(path, path))
        if found is None:
            return False
        for chunk in found:
            if chunk.start < end and start < chunk.end:
                self._load(path, chunk, found[-1].next_offset)
        return True

    def read_all(self) -> None:
        for path, chunks in self.files.items():
            for chunk in chunks:
                self._load(path, chunk, chunks[-1].next_offset)

    def _load(self, path: str, chunk: Chunk, file_end: int) -> None:
        if (path, chunk.start) in self._read:
            return
        unpacking, raw, at = zlib.decompressobj(wbits=31), bytearray(), chunk.offset
        length = chunk.end - chunk.start
        while len(raw) < length and at < file_end and not unpacking.eof:
            piece = self._bytes(at, min(at + _PIECE_BYTES, file_end))
            raw += unpacking.decompress(piece, length - len(raw))
            at += len(piece)
        if f"sha256:{hashlib.sha256(raw).hexdigest()}" != chunk.digest:
            raise SystemExit(f"a chunk of {path} is not what the table of contents says")
        self._read.add((path, chunk.start))

    def _bytes(self, start: int, end: int) -> bytes:
        """Missing blocks are asked for in one request, of several ranges where some between them are there."""
        numbers = range(start // BLOCK_BYTES, -(-end // BLOCK_BYTES))
        missing = [number for number in numbers if number not in self._blocks]
        if missing:
            self._fetch(list(_runs(missing)))
        first = numbers.start * BLOCK_BYTES
        joined = b"".join(self._blocks[number] for number in numbers)
        return joined[start - first : end - first]

    def _fetch(self, runs: Sequence[tuple[int, int]]) -> None:
        spans = [(first * BLOCK_BYTES, min(last * BLOCK_BYTES, self.size) - 1) for first, last in runs]
        wanted = ",".join(f"{begin}-{end}" for begin, end in spans)
        answer, body = self._registry.ask(
            "GET", self._path, {"Range": f"bytes={wanted}", "Accept-Encoding": "identity"}
        )
        if answer.status == _OK:
            # The snapshotter keeps all of what it did not ask for.
            self._registry.whole += 1
            self._keep(0, body)
        elif answer.status == _PARTIAL and answer.headers.get_content_type() != "multipart/byteranges":
            began = int(answer.headers["Content-Range"].removeprefix("bytes ").partition("-")[0])
            self._keep(began, body)
        elif answer.status == _PARTIAL:
            for began, part in _parts(body, str(answer.headers.get_param("boundary"))):
                self._keep(began, part)
        else:
            raise SystemExit(f"bytes {wanted} of {self._path}: {answer.status}")

    def _keep(self, began: int, body: bytes) -> None:
        for at in range(0, len(body), BLOCK_BYTES):
            self._blocks[(began + at) // BLOCK_BYTES] = body[at : at + BLOCK_BYTES]


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Numbers that follow each other, as first and behind the last."""
    for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        yield run[0], run[-1] + 1


def _parts(body: bytes, boundary: str) -> Iterator[tuple[int, bytes]]:
    for part in body.split(f"--{boundary}".encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        place = next(line for line in head.lower().splitlines() if line.startswith(b"content-range:"))
        yield int(place.split(b"bytes ")[1].partition(b"-")[0]), content.removesuffix(b"\r\n")


def _table(member: bytes) -> bytes:
    """The JSON of a table of contents, which is packed as the only file of a tar."""
    tar = zlib.decompress(member, wbits=31)
    length = int(tar[124:135].rstrip(b"\0 "), 8)
    return tar[_TAR_HEADER : _TAR_HEADER + length]


def _chunks(entries: Sequence[dict[str, Any]], size: int) -> tuple[dict[str, list[Chunk]], dict[str, str], int]:
    """Chunks of each file, hard links with their targets, and where the landmark begins, 0 without one."""
    offsets = sorted({entry["offset"] for entry in entries if entry.get("offset")} | {size})
    files: dict[str, list[Chunk]] = {}
    links: dict[str, str] = {}
    landmark, path, length = 0, "", 0
    for entry in entries:
        kind = entry["type"]
        if kind != "chunk":
            path, length = _clean(entry["name"]), entry.get("size", 0)
        if kind == "hardlink":
            links[path] = _clean(entry["linkName"])
        elif kind == "reg" and path == _LANDMARK:
            landmark = entry["offset"]
        elif kind in ("reg", "chunk") and length:
            start, offset = entry.get("chunkOffset", 0), entry.get("offset", 0)
            end = start + (entry.get("chunkSize") or length - start)
            after = offsets[bisect.bisect_right(offsets, offset)]
            if kind == "reg":
                files[path] = []
            files[path].append(Chunk(start, end, offset, after, entry["chunkDigest"]))
    return files, links, landmark


def _clean(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))
