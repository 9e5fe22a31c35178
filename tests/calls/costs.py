"""What each operation asks of its ports. A change here is a change of what the service costs (`docs/cost.md`).

cold    nothing is remembered, but where the instance is reached
warm    the same was asked before: on AWS within 5 s, here, on one machine, while nothing was written
new     asked first of a process that has just begun
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

NOTHING: Final = "nothing"
ACCESS: Final = "table.get_many 1"
_BY_TAG: Final = "table.get 2, table.get_many 1"
_BY_DIGEST: Final = "table.get 1, table.get_many 1"


class Read(NamedTuple):
    cold: str
    warm: str
    here: str
    new: str = ""


READS: Final[Mapping[str, Read]] = {
    "manifest GET by tag": Read(_BY_TAG, "table.get 1", NOTHING, _BY_TAG),
    "manifest HEAD by tag": Read(_BY_TAG, "table.get 1", NOTHING, _BY_TAG),
    "manifest GET by digest": Read(_BY_DIGEST, NOTHING, NOTHING, _BY_DIGEST),
    "manifest HEAD by digest": Read(_BY_DIGEST, NOTHING, NOTHING, _BY_DIGEST),
    "manifest GET by tag, with a password": Read(_BY_TAG, "table.get 1", NOTHING),
    "manifest GET by tag, with an access key's token": Read(_BY_TAG, "table.get 1", NOTHING, _BY_TAG),
    # Nothing in the request says which instance it means: a process looks that up once.
    "manifest GET by tag, without credentials": Read(_BY_TAG, "table.get 1", NOTHING, "table.get 3, table.get_many 1"),
    # Its body is an object, remembered by its digest.
    "manifest GET by digest, of 20 KB": Read(
        _BY_DIGEST, NOTHING, NOTHING, "objects.get 1, table.get 2, table.get_many 1"
    ),
    "blob HEAD": Read("table.get_many 2", NOTHING, NOTHING, "table.get_many 2"),
    "blob HEAD by who may push": Read("table.get 1, table.get_many 3", NOTHING, NOTHING),
    "tag list": Read("table.get_many 1, table.query 1", "table.query 1", NOTHING),
    "catalog": Read("table.get_many 1, table.query 1", "table.query 1", NOTHING),
    "referrers": Read("table.get_many 1, table.query 1", "table.query 1", NOTHING),
    "ping": Read(ACCESS, NOTHING, NOTHING),
    "token": Read("table.get 1, table.get_many 2", _BY_DIGEST, _BY_DIGEST),
    "token for two repositories": Read(
        "table.get 1, table.get_many 3", "table.get 1, table.get_many 2", "table.get 1, table.get_many 2"
    ),
    "token without credentials": Read("table.get_many 2", ACCESS, ACCESS),
}
# Streamed on one machine; on AWS the answer is a link to the object store.
BLOB_GET: Final[Mapping[str, Read]] = {
    "embedded": Read("objects.get 1, table.get_many 2", "", "objects.get 1", "objects.get 1, table.get_many 2"),
    "aws": Read("table.get_many 2", NOTHING, "", "table.get_many 2"),
}
# Under a pull policy, which is remembered: what is known of the image is read with each request, and of a layer which
# images need it. One read more where findings count, whose ids are looked at.
GUARDED: Final[Mapping[str, Read]] = {
    "manifest GET by tag": Read(
        "table.get 3, table.get_many 2", "table.get 1, table.get_many 1", "table.get 1, table.get_many 1"
    ),
    "manifest GET by digest": Read("table.get 2, table.get_many 2", "table.get_many 1", "table.get_many 1"),
    "blob HEAD": Read(
        "table.get 1, table.get_many 3, table.query 1",
        "table.get_many 1, table.query 1",
        "table.get_many 1, table.query 1",
    ),
    # Whoever pushes is told what is here, and no more.
    "blob HEAD by who may push": Read("table.get 1, table.get_many 3", NOTHING, NOTHING),
}
# Who may write is read anew each time: these are counted cold.
WRITES: Final[Mapping[str, str]] = {
    "upload POST": "table.get 1, table.get_many 2, table.put 1",
    "upload POST, whole": "objects.put 1, table.get 4, table.get_many 4, table.put 3, table.transact 1",
    "mount": "table.get 3, table.get_many 5, table.put 2",
    "mount from anywhere": "table.get 3, table.get_many 6, table.put 2, table.query 1",
    "manifest PUT, 1 layer": "objects.put 1, table.get 2, table.get_many 4, table.transact 2",
    "manifest PUT, 10 layers": "objects.put 1, table.get 2, table.get_many 4, table.transact 2",
    "manifest PUT over a tag": "objects.put 1, table.get 2, table.get_many 5, table.transact 2",
    "manifest PUT of the same": "objects.put 1, table.get 2, table.get_many 4, table.transact 1",
    "index PUT, 2 images": (
        "objects.put 1, table.get 2, table.get_many 4, table.put_many 1, table.transact 2, table.update 2"
    ),
    "tag DELETE": "audit.put 2, table.get 5, table.get_many 5, table.transact 1",
    "manifest DELETE": "audit.put 1, table.get 5, table.get_many 4, table.query 2, table.transact 1",
    "blob DELETE": "audit.put 1, table.delete 1, table.get 5, table.get_many 2, table.query 1, table.update 1",
}
# Where files grow piece by piece and parts of S3 have a least size.
UPLOADS: Final[Mapping[str, Mapping[str, str]]] = {
    "embedded": {
        "upload PATCH": "objects.begin 1, objects.part 1, table.get 2, table.get_many 2, table.put 2",
        "upload PUT": "objects.complete 1, table.get 4, table.get_many 3, table.put 2, table.transact 1",
        "upload PUT of what is here": (
            "objects.complete 1, table.get 4, table.get_many 3, table.put 2, table.transact 1"
        ),
    },
    "aws": {
        "upload PATCH": "objects.put 1, table.get 2, table.get_many 2, table.put 1",
        "upload PUT": (
            "objects.delete 1, objects.get 1, objects.put 1, "
            "table.get 4, table.get_many 3, table.put 2, table.transact 1"
        ),
        "upload PUT of what is here": (
            "objects.delete 1, objects.get 1, objects.put 1, "
            "table.get 4, table.get_many 3, table.put 2, table.transact 1"
        ),
    },
}
API: Final[Mapping[str, str]] = {
    "sign in": "audit.put 2, table.get 2, table.get_many 2, table.put 1",
    "instances": "table.get 1, table.get_many 2, table.query 1",
    "instance": "table.get 3, table.get_many 1",
    "overview": "audit.query 2, table.get 4, table.get_many 3, table.query 3",
    "namespaces": "table.get 4, table.get_many 1, table.query 1",
    "repositories of all": "table.get 5, table.get_many 1, table.query 1",
    "repositories": "table.get 6, table.get_many 1, table.query 1",
    "repositories by prefix": "table.get 6, table.get_many 1, table.query 1",
    "repository": "table.get 5, table.get_many 2",
    "tags": "table.get 5, table.get_many 4, table.query 1",
    "tags by push time": "table.get 5, table.get_many 4, table.query 1",
    "tag": "table.get 6, table.get_many 4",
    "history of a tag": "table.get 5, table.get_many 3, table.query 1",
    "manifest": "objects.get 1, table.get 6, table.get_many 2, table.query 2",
    "credentials": "table.get 4, table.get_many 1, table.query 1",
    "allowlist": "table.get 5, table.get_many 1",
    "recycle bin": "table.get 4, table.get_many 3, table.query 1",
    "tasks": "table.get 4, table.get_many 1, table.query 1",
    "webhooks": "table.get 4, table.get_many 1, table.query 1",
    "audit": "audit.query 2, table.get 4, table.get_many 1",
    "immutability rules": "table.get 4, table.get_many 2, table.query 1",
}
