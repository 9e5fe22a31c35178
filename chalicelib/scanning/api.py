"""Scans in the management API (S1): begun for a tag or a namespace, and what came of them."""

from __future__ import annotations

from chalicelib.edge.answers import Accepted, Listing, Text
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.errors import DigestInvalid, ManifestUnknown, NotFound
from chalicelib.kernel.names import Digest
from chalicelib.kernel.roles import Right
from chalicelib.namespaces.service import Namespaces
from chalicelib.registry.tags_api import tag_of
from chalicelib.repositories.api import REPOSITORY, repository_of
from chalicelib.repositories.models import Repository
from chalicelib.surveys.service import Surveys
from chalicelib.tasks.models import TaskView

from .documents import CSV, Documents
from .listing import FindingLists
from .sarif import MEDIA_TYPE as SARIF
from .service import Scanning
from .views import ScanView, VulnerabilityQuery, VulnerabilityView
from .vulnerable import VulnerableImage, VulnerableImages, VulnerableQuery

routes = Routes("scanning")


@routes.post(f"{REPOSITORY}/tags/{{tag}}/scan", needs=Right.CHANGE_CONTENT, changes="tag.scan")
def scan_tag(call: Call) -> Accepted[TaskView]:
    """Scan what a tag points to, an index with all its platforms.

    Layers that were read before are not read again. The result belongs to the digest: whatever tags point to it show
    it, and its task counts the layers. 409 for what is no image.
    """
    instance, repository = instance_of(call), repository_of(call)
    tag = tag_of(call, repository)
    call.tell(object=tag.name)
    task = Scanning(call.stack).scan_tag(instance, repository, tag, call.by)
    return Accepted(TaskView.of(task), f"/instances/{instance.id}/tasks/{task.id}")


@routes.get(f"{REPOSITORY}/tags/{{tag}}/scan", needs=Right.READ_CONTENT)
def show_scan(call: Call) -> ScanView:
    """Show what the scan of a tag's image came to.

    Counts are null where nothing was examined: `state`, `reason` and `message` say why. Of an index the counts are
    those of all its platforms together, each finding once.
    """
    instance, repository = instance_of(call), repository_of(call)
    return Scanning(call.stack).view(instance, repository, tag_of(call, repository).digest)


@routes.get(f"{REPOSITORY}/manifests/{{digest}}/scan", needs=Right.READ_CONTENT)
def show_manifest_scan(call: Call) -> ScanView:
    """Show what the scan of an image came to, by its digest: such as one of an index, to which no tag points."""
    instance, repository = instance_of(call), repository_of(call)
    return Scanning(call.stack).view(instance, repository, _manifest(call, repository))


@routes.post("/instances/{instance}/namespaces/{namespace}/scan", needs=Right.CHANGE_CONTENT, changes="namespace.scan")
def scan_namespace(call: Call) -> Accepted[TaskView]:
    """Scan all tags of a namespace.

    One task, which counts tags; its items say of each tag what came of it, and why. An image that cannot be scanned
    holds up no other.
    """
    instance = instance_of(call)
    namespace = Namespaces(call.stack).get(instance.id, call.parts["namespace"], fresh=True)
    task = Scanning(call.stack).scan_namespace(namespace, call.by)
    return Accepted(TaskView.of(task), f"/instances/{instance.id}/tasks/{task.id}")


@routes.get("/instances/{instance}/vulnerabilities", needs=Right.READ_CONTENT)
def list_vulnerable_images(call: Call, query: VulnerableQuery) -> Listing[VulnerableImage]:
    """List the images of an instance that have a vulnerability, with the tags that lead to them.

    Looked for by the beginning of its id or of the package's name; without a search every image with findings. In the
    order of digests; a page looks at 5 000 images at most and then answers a cursor, also where it found none yet. An
    index is not listed: its images are, under its tags. Of an image with more than some ten thousand findings the
    gravest are known here.
    """
    return Listing.of(VulnerableImages(call.stack, instance_of(call)).page(query))


@routes.get(
    f"{REPOSITORY}/manifests/{{digest}}/vulnerabilities",
    needs=Right.READ_CONTENT,
    also=(409,),
    media=(SARIF, CSV),
)
def list_vulnerabilities(call: Call, query: VulnerabilityQuery) -> Listing[VulnerabilityView] | Text:
    """List the vulnerabilities that were found in an image, or in an index with all its platforms.

    404 where it was not scanned yet, 409 where nothing of it could be examined: that is never an empty list. As SARIF
    2.1.0 or CSV it is a file with all of them; 409 too where that is too large for one answer.
    """
    repository = repository_of(call)
    digest = _manifest(call, repository)
    if query.format != "json":
        return Documents(call.stack).download_findings(instance_of(call), repository, digest, query)
    return FindingLists(call.stack).page(instance_of(call), digest, query)


def _manifest(call: Call, repository: Repository) -> Digest:
    """What {digest} in the path means. Raises NotFound."""
    try:
        digest = Digest.parse(call.parts["digest"])
        Surveys(call.stack).manifest_of(repository.id, digest)
    except (DigestInvalid, ManifestUnknown):
        raise NotFound("there is no such manifest") from None
    return digest
