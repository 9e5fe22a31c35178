"""Documents that silence findings, in the management API (S1, X6)."""

from __future__ import annotations

from chalicelib.edge.answers import Created, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.roles import Right

from .vex_documents import NewVexDocument, VexDocumentDetail, VexDocuments, VexDocumentView, VexQuery

routes = Routes("findings")

_DOCUMENTS = "/instances/{instance}/vex-documents"
_DOCUMENT = _DOCUMENTS + "/{document}"


@routes.get(_DOCUMENTS, needs=Right.READ_CONTENT)
def list_vex_documents(call: Call, query: VexQuery) -> Listing[VexDocumentView]:
    """List the OpenVEX documents of an instance, which has a hundred at most."""
    return Listing[VexDocumentView].of(VexDocuments(call.stack).page(instance_of(call), query))


@routes.post(_DOCUMENTS, needs=Right.CHANGE_CONTENT, changes="vex_document.create")
def create_vex_document(call: Call, body: NewVexDocument) -> Created[VexDocumentDetail]:
    """Silence findings by an OpenVEX document.

    Statements `not_affected` and `fixed` silence a vulnerability in the images or packages that they name, with their
    reason and until `expires_at`; `affected` and `under_investigation` end what an earlier statement silenced. Images
    are named by `pkg:oci/…` with a digest, or with `repository_url` for all of a repository. What was scanned before
    is judged again in the background. 409 where the instance has a hundred documents.
    """
    instance, documents = instance_of(call), VexDocuments(call.stack)
    kept = documents.add(instance, body, call.by)
    call.tell(object=kept.id)
    return Created(documents.detail(kept), f"/instances/{instance.id}/vex-documents/{kept.id}")


@routes.get(_DOCUMENT, needs=Right.READ_CONTENT)
def show_vex_document(call: Call) -> VexDocumentDetail:
    """Show an OpenVEX document, with its statements."""
    documents = VexDocuments(call.stack)
    return documents.detail(documents.get(instance_of(call), call.parts["document"]))


@routes.delete(_DOCUMENT, needs=Right.CHANGE_CONTENT, changes="vex_document.delete")
def delete_vex_document(call: Call) -> None:
    """Delete an OpenVEX document. What it silenced counts again, as soon as images were judged again."""
    call.tell(object=call.parts["document"])
    VexDocuments(call.stack).remove(instance_of(call), call.parts["document"])
