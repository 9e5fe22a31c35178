"""A registry as a client sees it over HTTP: names, credentials and the few moves that every case needs."""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import httpx

from tests.conformance.content import DOCKER_IMAGE, DOCKER_LIST, OCI_IMAGE, OCI_INDEX, Content, Manifest, digest_of

OCTETS = "application/octet-stream"
# The specification asks clients to honour OCI-Chunk-Min-Length; without the header any chunk will do.
SMALLEST_CHUNK_BYTES = 1024


class TokenLogin(httpx.Auth):
    """What docker does on a 401: reads the challenge, fetches a token for its scopes, and asks again."""

    requires_request_body = True

    def __init__(self, username: str, password: str) -> None:
        self.username, self.password = username, password
        self._by_scope: dict[str, str] = {}

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield request
        # To be let in, with a new token where the kept one is over, and once more where it is too narrow for a mount.
        for _ in range(3):
            if response.status_code != 401:
                return
            challenge = parse_challenge(response.headers.get("WWW-Authenticate", ""))
            if "realm" not in challenge:
                return
            scope = challenge.get("scope", "")
            refused = request.headers.get("Authorization", "")
            if scope not in self._by_scope or refused == f"Bearer {self._by_scope[scope]}":
                answer = yield self._token_request(challenge)
                if answer.status_code != 200:
                    return
                answer.read()
                self._by_scope[scope] = answer.json()["token"]
            request.headers["Authorization"] = f"Bearer {self._by_scope[scope]}"
            response = yield request

    def _token_request(self, challenge: dict[str, str]) -> httpx.Request:
        scopes = [scope for scope in challenge.get("scope", "").split(" ") if scope]
        url = httpx.URL(challenge["realm"]).copy_merge_params({"service": challenge["service"], "scope": scopes})
        return next(httpx.BasicAuth(self.username, self.password).auth_flow(httpx.Request("GET", url)))


def parse_challenge(header: str) -> dict[str, str]:
    """Parameters of a Bearer challenge; empty if it is none."""
    scheme, _, rest = header.partition(" ")
    return dict(re.findall(r'(\w+)="([^"]*)"', rest)) if scheme.lower() == "bearer" else {}


@dataclass(frozen=True)
class Registry:
    """One registry under test. `sparse_namespace` is None where no namespace allows sparse indexes."""

    base_url: str
    username: str
    password: str
    namespace: str
    sparse_namespace: str | None
    http: httpx.Client

    def repository(self) -> Repository:
        """A repository nobody has used yet."""
        return Repository(self, f"{self.namespace}/conf-{secrets.token_hex(6)}")

    def sparse_repository(self) -> Repository:
        assert self.sparse_namespace, "no namespace of this registry allows sparse indexes"
        return Repository(self, f"{self.sparse_namespace}/conf-{secrets.token_hex(6)}")

    def anonymous(self) -> httpx.Client:
        return httpx.Client(base_url=self.base_url, timeout=30, trust_env=False)


@dataclass(frozen=True)
class Session:
    """An upload under way: where to send to next, and how small a chunk may be."""

    location: str
    chunk_bytes: int


@dataclass(frozen=True)
class Repository:
    registry: Registry
    name: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "http", self.registry.http)

    def path(self, tail: str) -> str:
        return f"/v2/{self.name}/{tail}"

    def blob(self, method: str, digest: str, **more: object) -> httpx.Response:
        return self.http.request(method, self.path(f"blobs/{digest}"), **more)  # type: ignore[arg-type]

    def manifest(self, method: str, reference: str) -> httpx.Response:
        accept = {"Accept": ", ".join((OCI_INDEX, OCI_IMAGE, DOCKER_LIST, DOCKER_IMAGE))}
        return self.http.request(method, self.path(f"manifests/{reference}"), headers=accept)

    def put_manifest(self, manifest: Manifest, reference: str, tags: tuple[str, ...] = ()) -> httpx.Response:
        return self.put_body(manifest.body, reference, manifest.media_type, tags)

    def put_body(self, body: bytes, reference: str, media_type: str, tags: tuple[str, ...] = ()) -> httpx.Response:
        query = httpx.QueryParams([("tag", tag) for tag in tags])
        url, headers = self.path(f"manifests/{reference}"), {"Content-Type": media_type}
        return self.http.put(url, content=body, headers=headers, params=query)

    def tags(self, **query: str | int) -> httpx.Response:
        return self.http.get(self.path("tags/list"), params=query)

    def referrers(self, digest: str, **query: str) -> httpx.Response:
        return self.http.get(self.path(f"referrers/{digest}"), params=query)

    def post(self, content: bytes = b"", query: Mapping[str, str] | None = None) -> httpx.Response:
        return self.http.post(self.path("blobs/uploads/"), params=query, content=content)

    def begin(self, query: Mapping[str, str] | None = None) -> Session:
        answer = self.post(query=query)
        assert answer.status_code == 202, answer.text
        smallest = int(answer.headers.get("OCI-Chunk-Min-Length", 0))
        return Session(answer.headers["Location"], max(smallest, SMALLEST_CHUNK_BYTES))

    def patch(self, location: str, chunk: bytes, start: int | None = None) -> httpx.Response:
        return self.http.patch(location, content=chunk, headers=_chunk_headers(chunk, start))

    def finish(self, location: str, digest: str, chunk: bytes = b"", start: int | None = None) -> httpx.Response:
        url = httpx.URL(location).copy_merge_params({"digest": digest})
        return self.http.put(url, content=chunk, headers=_chunk_headers(chunk, start))

    def push_blob(self, body: bytes, algorithm: str = "sha256") -> str:
        digest = digest_of(body, algorithm)
        answer = self.finish(self.begin().location, digest, body)
        assert answer.status_code == 201, answer.text
        return digest

    def push(self, content: Content) -> None:
        for digest, body in content.blobs.items():
            self.push_blob(body, digest.partition(":")[0])
        for manifest in content.manifests:
            answer = self.put_manifest(manifest, manifest.digest)
            assert answer.status_code == 201, answer.text
        by_digest = {manifest.digest: manifest for manifest in content.manifests}
        for tag, digest in content.tags.items():
            answer = self.put_manifest(by_digest[digest], tag)
            assert answer.status_code == 201, answer.text


def _chunk_headers(chunk: bytes, start: int | None) -> dict[str, str]:
    headers = {"Content-Type": OCTETS, "Content-Length": str(len(chunk))}
    return headers if start is None else {**headers, "Content-Range": f"{start}-{start + len(chunk) - 1}"}


def error_code(response: httpx.Response) -> str:
    """The code of the first error of a body in the specification's form, which every refusal must have."""
    assert response.headers["Content-Type"].partition(";")[0] == "application/json", response.headers
    first = response.json()["errors"][0]
    assert isinstance(first["code"], str)
    assert isinstance(first.get("message", ""), str)
    return str(first["code"])
