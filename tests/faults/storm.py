"""A storm of pushes, overwrites, deletions and pulls by several clients, each of which remembers what it was told.

Every client owns some tags, so that what each may point to is known: what was last acknowledged, or, where a request
was cut off by a kill, either what it was before or what the request would have made of it. Layers are shared between
clients and pushed again and again, so that collection always runs into pushes.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
from dataclasses import dataclass, field

import httpx

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
TAGS_PER_CLIENT = 3
SHARED_LAYERS = 6


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Image:
    """An index of one image of some layers; with its parts, in the order of a push."""

    blobs: tuple[bytes, ...]
    manifest: bytes
    index: bytes


def image_of(layers: tuple[bytes, ...], config: bytes) -> Image:
    blobs = (config, *layers)
    described = [{"mediaType": "application/octet-stream", "digest": digest_of(b), "size": len(b)} for b in blobs]
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described[0], "layers": described[1:]}
    body = json.dumps(manifest).encode()
    child = {"mediaType": OCI_MANIFEST, "digest": digest_of(body), "size": len(body)}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}
    return Image(blobs, body, json.dumps(index).encode())


@dataclass
class Client:
    """One pusher. `may_be`: tag → the images that it may point to now; None stands for no image."""

    url: str
    login: tuple[str, str]
    name: str
    seed: int
    may_be: dict[str, list[Image | None]] = field(default_factory=dict)
    acknowledged: int = 0
    broken_promises: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._serial = 0
        for n in range(TAGS_PER_CLIENT):
            self.may_be[f"{self.name}-{n}"] = [None]

    def run(self, ending: threading.Event) -> None:
        """Requests until told to end, or until the service is gone."""
        with httpx.Client(base_url=self.url, auth=self.login, timeout=30, trust_env=False) as http:
            try:
                while not ending.is_set():
                    self._act(http)
            except httpx.TransportError:
                return

    def verify(self) -> list[str]:
        """What the running service answers now, held against what was promised. Settles what was uncertain."""
        wrong = list(self.broken_promises)
        with httpx.Client(base_url=self.url, auth=self.login, timeout=30, trust_env=False) as http:
            for tag, possible in self.may_be.items():
                answer = http.get(f"/v2/library/storm/manifests/{tag}")
                found = next((image for image in possible if _is(answer, image)), possible)
                if isinstance(found, list):
                    wrong.append(f"{tag}: {answer.status_code} is none of the {len(possible)} that it may be")
                    continue
                if found is not None:
                    wrong += _pull_whole(http, tag, found)
                self.may_be[tag] = [found]
        return wrong

    def _act(self, http: httpx.Client) -> None:
        tag = self._random.choice(sorted(self.may_be))
        if self._random.random() < 0.3 and self.may_be[tag] != [None]:
            self._delete(http, tag)
        else:
            self._push(http, tag)

    def _push(self, http: httpx.Client, tag: str) -> None:
        image = self._image()
        base = "/v2/library/storm"
        for blob in image.blobs:
            if http.head(f"{base}/blobs/{digest_of(blob)}").status_code == 200:
                continue
            started = http.post(f"{base}/blobs/uploads/")
            location = started.headers["location"]
            query = {"digest": digest_of(blob)}
            self._expect(http.put(location, content=blob, params=query), 201, f"blob of {tag}")
        url, headers = f"{base}/manifests/{digest_of(image.manifest)}", {"content-type": OCI_MANIFEST}
        # Every blob was answered for within the minute: the manifest may not be told that one is unknown.
        self._expect(http.put(url, content=image.manifest, headers=headers), 201, f"manifest of {tag}")
        self.may_be[tag] = [*self.may_be[tag], image]
        answer = http.put(f"{base}/manifests/{tag}", content=image.index, headers={"content-type": OCI_INDEX})
        if self._expect(answer, 201, f"index of {tag}"):
            self.may_be[tag] = [image]
            self.acknowledged += 1

    def _delete(self, http: httpx.Client, tag: str) -> None:
        [held] = self.may_be[tag]
        assert held is not None
        self.may_be[tag] = [held, None]
        reference = tag if self._random.random() < 0.7 else digest_of(held.index)
        answer = http.delete(f"/v2/library/storm/manifests/{reference}")
        if self._expect(answer, 202, f"deletion of {tag}"):
            self.may_be[tag] = [None]
            if reference != tag:
                # The digest's other tags of this client went with it.
                for other, possible in self.may_be.items():
                    self.may_be[other] = [None if image == held else image for image in possible]

    def _expect(self, answer: httpx.Response, status: int, what: str) -> bool:
        if answer.status_code != status:
            self.broken_promises.append(f"{what}: {answer.status_code} {answer.text[:300]}")
        return answer.status_code == status

    def _image(self) -> Image:
        self._serial += 1
        shared = random.Random(self._random.randrange(SHARED_LAYERS))
        own = f"{self.name} {self.seed} {self._serial}".encode() * self._random.randrange(1, 200)
        return image_of(
            (shared.randbytes(20_000), own), f'{{"serial": "{self.name}{self.seed}{self._serial}"}}'.encode()
        )


def _is(answer: httpx.Response, image: Image | None) -> bool:
    if image is None:
        return answer.status_code == 404
    return answer.status_code == 200 and answer.content == image.index


def _pull_whole(http: httpx.Client, tag: str, image: Image) -> list[str]:
    wrong = []
    parts = {f"manifests/{digest_of(image.manifest)}": image.manifest}
    parts |= {f"blobs/{digest_of(blob)}": blob for blob in image.blobs}
    for path, expected in parts.items():
        answer = http.get(f"/v2/library/storm/{path}")
        if answer.status_code != 200 or answer.content != expected:
            wrong.append(f"{tag}: {path} answers {answer.status_code}, {len(answer.content)} bytes")
    return wrong
