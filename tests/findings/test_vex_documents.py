"""S1: OpenVEX documents are uploaded, shown and deleted through the API, and images are judged again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.advisories.models import Finding
from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.findings.service import Findings
from chalicelib.findings.vex import silencers
from chalicelib.findings.vex_documents import MOST_DOCUMENTS
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.kernel.roles import Role
from chalicelib.packages.models import LayerRef
from chalicelib.ports import scan_keys
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.registry.library import Library
from tests.stacks import FrozenClock, make_instance, make_namespace

from .test_vex import BASH, IMAGE, statement, vex

PATH = "/instances/ci/vex-documents"
ABOUT = Finding(
    id="CVE-2026-1", type="debian", package="bash", purl=BASH, installed="5.0-4", layer=LayerRef(digest="sha256:l")
)


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


def document(*statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return vex(*statements, **more).model_dump(mode="json", by_alias=True, exclude_defaults=True)


def upload(library: Library, *statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = library.api(Role.DEVELOPER).post(PATH, {"document": document(*statements), **more})
    assert answer.status == 201, answer.text
    return dict(answer.json())


def silence(library: Library, digest: str = IMAGE) -> tuple[str, str] | None:
    """Reason and end of the silence over the finding, None where it counts."""
    found = silencers(library.stack, library.instance.id).of(ABOUT, digest)
    return None if found is None else (found.reason, found.expires_at)


def asked(stack: Stack) -> list[tuple[str, str, str]]:
    """Messages that have images judged again, as they left: type, instance and database."""
    found = [json.loads(one.body) for one in stack.queues.receive("rescans")]
    return [(one["type"], one["instance_id"], one["database"]) for one in found]


def test_a_document_says_what_it_is_and_what_it_silences(library: Library) -> None:
    """S1"""
    made = upload(library, statement(), statement(status="affected"), expires_at="2027-01-01T00:00:00Z")
    told = {
        "id": made["id"],
        "document_id": "https://example.com/vex/1",
        "author": "Ann",
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "statements": 2,
        "silencing": 1,
        "expires_at": "2027-01-01T00:00:00.000000Z",
        "expired": False,
        "created_at": "2026-01-31T08:00:00.000000Z",
        "created_by": "developer",
    }
    shown = library.api(Role.READER).get(f"{PATH}/{made['id']}").json()
    assert shown == {**told, "document": document(statement(), statement(status="affected"))} == made
    assert library.api(Role.READER).get(PATH).json()["items"] == [told]


def test_a_document_silences_until_it_expires_or_is_deleted(library: Library, clock: FrozenClock) -> None:
    """S1: with its reason; an expired one is still shown."""
    made = upload(library, expires_at="2026-01-31T09:00:00Z")
    assert silence(library) == ("vulnerable_code_not_present", "2026-01-31T09:00:00.000000Z")
    clock.advance(3600)
    assert silence(library) is None
    assert library.api().get(f"{PATH}/{made['id']}").json()["expired"] is True
    lasting = upload(library)
    assert silence(library) == ("vulnerable_code_not_present", "")
    assert library.api().delete(f"{PATH}/{lasting['id']}").status == 204
    assert silence(library) is None
    assert library.api().delete(f"{PATH}/{lasting['id']}").status == 404


def test_images_are_judged_again_as_documents_come_and_go(library: Library, stack: Stack) -> None:
    """S1: by the database in use."""
    wanted = ("RescanImages", library.instance.id, "")
    made = upload(library)
    assert asked(stack) == [wanted]
    library.api().delete(f"{PATH}/{made['id']}")
    assert asked(stack) == [wanted]


def test_an_image_is_meant_by_its_repository_and_by_an_index_that_lists_it(library: Library) -> None:
    """S1: also before the scan's own row names the index."""
    digest = library.push("v1")
    index = library.push_index((digest, "linux/amd64"), tag="multi")
    repository = library.repository().id
    Findings(library.stack).change(
        library.instance.id, digest, lambda seen: seen.model_copy(update={"repositories": (repository,)})
    )
    by_name = {"@id": "pkg:oci/app?repository_url=registry.example/library/app"}
    by_index = {"@id": f"pkg:oci/app@{index}"}
    for product in (by_name, by_index):
        made = upload(library, statement(product))
        assert silence(library, digest), product
        assert silence(library, Digest.of(b"other")) is None
        library.api().delete(f"{PATH}/{made['id']}")
    library.push("v1", name=RepositoryName("library/other"))
    upload(library, statement({"@id": "pkg:oci/other?repository_url=registry.example/library/other"}))
    assert silence(library, digest) is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"expires_at": "2026-01-31T08:00:00Z"}, "expires_at"),
        ({"document": {}}, "document.@context"),
        ({"document": "{}"}, "document"),
        ({"document": None}, "document"),
        ({"name": "x"}, "name"),
    ],
)
def test_what_is_no_document_is_refused_by_its_field(library: Library, body: dict[str, Any], field: str) -> None:
    """S1: and none is kept."""
    answer = library.api().post(PATH, {"document": document(), **body})
    assert answer.status == 400
    assert field in [one["field"] for one in answer.json()["errors"]]
    assert library.api().get(PATH).json()["items"] == []


def test_documents_are_bounded_in_size_and_number(library: Library) -> None:
    """S1: what is read for each image has an end."""
    noise = [Digest.of(str(number).encode(), "sha512").hex for number in range(1000)]
    wide = [statement({"@id": f"pkg:oci/app@sha256:{one[:64]}"}, impact_statement=one[64:]) for one in noise]
    refused = library.api().post(PATH, {"document": document(*wide)})
    assert (refused.status, refused.code) == (413, "TOO_LARGE")
    made = upload(library, *wide[:500])
    row = dict(library.stack.table.get(scan_keys.vex(library.instance.id, made["id"])) or {})
    for number in range(MOST_DOCUMENTS - 1):
        library.stack.table.put({**row, "sk": f"VEX#{number}"})
    refused = library.api().post(PATH, {"document": document()})
    assert (refused.status, refused.code) == (409, "CONFLICT")


def test_a_document_that_cannot_be_read_silences_nothing_and_stops_nobody(library: Library) -> None:
    """S1"""
    made = upload(library)
    key = scan_keys.vex(library.instance.id, made["id"])
    row = dict(library.stack.table.get(key) or {})
    upload(library, statement(vulnerability={"name": "CVE-2026-2"}))
    library.stack.table.put({**row, "packed": b"torn"})
    assert silence(library) is None
    assert silencers(library.stack, library.instance.id).of(ABOUT.model_copy(update={"id": "CVE-2026-2"}), IMAGE)


def test_readers_change_nothing_and_strangers_see_nothing(library: Library, stack: Stack) -> None:
    """I3, S1: both editions have documents, each instance its own."""
    made = upload(library)
    for role in (Role.READER, Role.AUDITOR):
        assert library.api(role).get(PATH).status == 200
        assert library.api(role).post(PATH, {"document": document()}).status == 403
        assert library.api(role).delete(f"{PATH}/{made['id']}").status == 403
    make_namespace(stack, make_instance(stack, "small", "personal"))
    assert library.api().post("/instances/small/vex-documents", {"document": document()}).status == 201
    assert library.api().get(f"/instances/small/vex-documents/{made['id']}").status == 404
    assert library.api().get(f"{PATH}/nope").status == 404
    assert Api.signed_in(stack, account="strangers").get(PATH).status == 404


def test_every_document_is_recorded(library: Library, stack: Stack) -> None:
    """G1, S1"""
    made = upload(library)
    library.api().delete(f"{PATH}/{made['id']}")
    found = Audit(stack).search(library.instance.id, Filter(object_type="vex_document"), None, 50).items
    assert sorted((one.action, one.object, one.result) for one in found) == [
        ("create", made["id"], "succeeded"),
        ("delete", made["id"], "succeeded"),
    ]


def test_documents_are_found_by_what_they_speak_of_and_sorted(library: Library) -> None:
    """S1, C1"""
    first = upload(library, statement())["id"]
    second = upload(library, statement(vulnerability={"name": "CVE-2031-7"}))["id"]

    def ids(**query: object) -> list[str]:
        return [one["id"] for one in library.api().get(PATH, **query).json()["items"]]

    assert (ids(), ids(sort="-created_at")) == ([first, second], [second, first])
    assert (ids(search="cve-2031"), ids(search="nobody")) == ([second], [])
    assert library.api().get(PATH, cursor="elsewhere").status == 400
