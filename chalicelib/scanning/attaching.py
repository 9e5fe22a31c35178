"""Bills of materials in the registry itself: artifacts whose subject is the image, in both formats.

    scan of an image is through ─► bill ─┬─► blob ─► manifest, by its digest   application/vnd.cyclonedx+json
                                         └─► blob ─► manifest, by its digest   application/spdx+json

They are pushed as a client would push them: the same rights, quotas and events. They have no tag, so no rule keeps them
away; nothing runs them, so no pull policy judges them, and no scan looks into them; they leave with their image. The
same image makes the same bytes, and what is attached already is not pushed again.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final, get_args

from chalicelib.edge.log import logger
from chalicelib.findings.service import Findings
from chalicelib.instances.models import Instance
from chalicelib.kernel import media, origin
from chalicelib.kernel.errors import ManifestUnknown, NotFound, Refused
from chalicelib.kernel.names import Digest
from chalicelib.kernel.paging import every
from chalicelib.kernel.patterns import Pattern
from chalicelib.kernel.principal import Action, Allowance, Principal
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import Caller, ManifestRecord
from chalicelib.registry.service import Registry
from chalicelib.registry.small_blobs import put_blob
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories
from chalicelib.surveys.service import Surveys

from .bills import BILL_VERSION, Bill, moment_text
from .documents import BillFormat, Documents, file_name, written

# No credential can have this name.
BY: Final = "system:scan"
VERSION_NOTE: Final = "crs.bill-of-materials.version"
_EMPTY: Final = b"{}"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_TYPES: Final[dict[BillFormat, str]] = {"cyclonedx": "application/vnd.cyclonedx+json", "spdx": "application/spdx+json"}


class Attaching:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._registry = Registry(stack)
        self._surveys = Surveys(stack)

    def attach(self, instance: Instance, repository_id: str, digest: str) -> str:
        """Both bills, where packages were found and there are none yet. Answers why not, for people; "" if nothing was
        in the way. Never raises: a scan is worth the same without."""
        try:
            record = Findings(self._stack).of(instance.id, digest)
            if record is not None and record.report and record.packages:
                self._attach(instance, repository_id, digest)
        except (ManifestUnknown, NotFound):
            return ""  # Image or repository went meanwhile.
        except Refused as refused:
            why = refused.code
            logger.warning("failed to attach bill of materials", instance_id=instance.id, digest=digest, code=why)
            return f"its bill of materials could not be attached: {refused.message}"
        except Exception:
            logger.exception("failed to attach bill of materials", instance_id=instance.id, digest=digest)
            return "its bill of materials could not be attached"
        return ""

    def _attach(self, instance: Instance, repository_id: str, digest: str) -> None:
        repository = next(iter(Repositories(self._stack).of_ids(instance.id, [repository_id])), None)
        if repository is None:
            raise NotFound("the repository was deleted")
        caller = _caller(instance, repository)
        missing = self._missing(caller, repository, Digest(digest))
        if not missing:
            return
        subject = self._surveys.manifest_of(repository.id, digest)
        bill = Documents(self._stack).bill(instance, repository, digest)
        pushed = [self._push(caller, repository, subject, bill, form) for form in missing]
        logger.info("bill of materials attached", instance_id=instance.id, digest=digest, count=len(pushed))
        try:
            self._surveys.manifest_of(repository.id, digest)
        except ManifestUnknown:
            # What comes after its subject has gone would stay for ever.
            for one in pushed:
                with suppress(ManifestUnknown):
                    self._registry.delete(caller, repository.name, one)

    def _missing(self, caller: Caller, repository: Repository, digest: Digest) -> list[BillFormat]:
        there = {
            one.artifact_type
            for one in every(lambda cursor: self._registry.referrers(caller, repository.name, digest, cursor=cursor))
            if one.annotations.get(VERSION_NOTE) == str(BILL_VERSION)
        }
        return [form for form in get_args(BillFormat) if _TYPES[form] not in there]

    def _push(
        self, caller: Caller, repository: Repository, subject: ManifestRecord, bill: Bill, form: BillFormat
    ) -> Digest:
        content = written(bill, form)[1].encode()
        for data in (_EMPTY, content):
            put_blob(self._registry, caller, repository.name, data)
        manifest = _manifest(subject, bill, form, content)
        body = json.dumps(manifest, separators=(",", ":")).encode()
        return self._registry.push(caller, repository.name, Digest.of(body), (), body, media.OCI_MANIFEST).digest


def _manifest(subject: ManifestRecord, bill: Bill, form: BillFormat, content: bytes) -> dict[str, Any]:
    """Source: OCI image-spec 1.1, "Guidelines for artifact usage"."""
    layer = _descriptor(content, _TYPES[form])
    created = {"org.opencontainers.image.created": moment_text(bill.created)} if bill.created else {}
    return {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "artifactType": _TYPES[form],
        "config": _descriptor(_EMPTY, _EMPTY_TYPE),
        "layers": [{**layer, "annotations": {"org.opencontainers.image.title": file_name(bill.name, form)}}],
        "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size},
        "annotations": {**created, VERSION_NOTE: str(BILL_VERSION)},
    }


def _descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": Digest.of(data), "size": len(data)}


def _caller(instance: Instance, repository: Repository) -> Caller:
    """The service, with no more rights than this takes."""
    allowed = Allowance(
        Pattern.parse(repository.name.namespace), Pattern.parse(repository.name.short), frozenset(Action)
    )
    return Caller(instance, Principal("system", BY, instance.id, allowed=(allowed,)), request_id=origin.request_id())
