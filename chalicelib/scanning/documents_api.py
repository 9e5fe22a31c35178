"""Bills of materials in the management API (S4)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from chalicelib.edge.answers import Text
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.errors import DigestInvalid, ManifestUnknown, NotFound
from chalicelib.kernel.modelling import GIVEN
from chalicelib.kernel.names import Digest
from chalicelib.kernel.roles import Right
from chalicelib.repositories.api import REPOSITORY, repository_of

from . import cyclonedx, spdx
from .documents import BillFormat, Documents

routes = Routes("scanning")


class BillQuery(BaseModel):
    """format: CycloneDX 1.6 or SPDX 2.3, both JSON; platform: of an index, the image for this one, `linux/arm64`"""

    model_config = GIVEN

    format: BillFormat = "cyclonedx"
    platform: Annotated[str, Field(max_length=100)] = ""


@routes.get(
    f"{REPOSITORY}/manifests/{{digest}}/sbom",
    needs=Right.READ_CONTENT,
    also=(409,),
    media=(cyclonedx.MEDIA_TYPE, spdx.MEDIA_TYPE),
)
def download_sbom(call: Call, query: BillQuery) -> Text:
    """Download the bill of materials of an image.

    Every package with version, package URL, licences, source package, layer and path, as the image's scan found them.
    The same image makes the same document, byte for byte; it is also attached to the image in the registry, where
    clients find it among the referrers. 404 where the image was not scanned yet; 409 where its scan came to nothing,
    and for an index that has several platforms and none was asked for.
    """
    instance, repository, documents = instance_of(call), repository_of(call), Documents(call.stack)
    try:
        digest = Digest.parse(call.parts["digest"])
        bill = documents.bill(instance, repository, digest, query.platform)
    except (DigestInvalid, ManifestUnknown):
        raise NotFound("there is no such manifest") from None
    return documents.download_bill(bill, query.format)
