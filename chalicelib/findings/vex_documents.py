"""Documents that silence findings of an instance: kept, shown, and ended by time or by hand.

A document that comes or goes concerns images that were judged before: they are judged again, on the queue that new
databases use too. Whether that message arrives or not, the pass that follows sees which documents it was made under.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel

from chalicelib.edge.answers import SearchQuery
from chalicelib.edge.consume import encode
from chalicelib.edge.log import logger
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, Invalid, NotFound, TooLarge
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.messages import RescanImages
from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment, to_text
from chalicelib.kernel.paging import Page, every
from chalicelib.ports import scan_keys as keys
from chalicelib.ports.passes import rows_wanted
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Item, absent, present

from .openvex import SILENCING, OpenVex

# All of an instance are read for each image that is judged.
MOST_DOCUMENTS: Final = 100
# Compressed, in its row; documents are the same few words again and again.
PACKED_LIMIT_BYTES: Final = 64 * 1024


class NewVexDocument(BaseModel):
    """document: OpenVEX 0.2. expires_at: from then on it silences nothing; null: for ever."""

    model_config = GIVEN

    document: OpenVex
    expires_at: Moment | None = None


class VexQuery(SearchQuery):
    """search: only documents whose author, own id or a vulnerability holds this text; sort: by when they were added."""

    sort: Literal["created_at", "-created_at"] = "created_at"


class VexDocument(BaseModel):
    """As it is kept."""

    model_config = KEPT

    id: str
    instance_id: str
    expires_at: Moment | None = None
    created_at: Moment
    created_by: str
    packed: bytes
    schema_version: int = 1

    @property
    def until(self) -> str:
        return to_text(self.expires_at) if self.expires_at else ""

    @property
    def document(self) -> OpenVex:
        """Raises ValueError, zlib.error where it does not say what it said."""
        return OpenVex.model_validate_json(zlib.decompress(self.packed))

    def holds(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


class VexDocumentView(BaseModel):
    """
    document_id, author, issued_at   what the document says of itself
    statements   how many it has; silencing: those that silence something
    expired      it silences nothing any more
    """

    model_config = MADE

    id: str
    document_id: str
    author: str
    issued_at: Moment
    statements: int
    silencing: int
    expires_at: Moment | None
    expired: bool
    created_at: Moment
    created_by: str


class VexDocumentDetail(VexDocumentView):
    """document: as far as it is understood here."""

    document: dict[str, Any]


class VexDocuments:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table

    def page(self, instance: Instance, query: VexQuery) -> Page[VexDocumentView]:
        """Raises Invalid for a foreign cursor."""
        if query.cursor is not None and not is_id(query.cursor):
            raise Invalid("cursor", "is not `next` of a page of this list")

        def wanted(row: Item) -> bool:
            return not query.search or _tells_of(VexDocument.model_validate(row).document, query.search.lower())

        first, descending = keys.vex(instance.id, ""), query.sort == "-created_at"
        found = rows_wanted(self._table, first, wanted, query.cursor, query.limit, descending=descending)
        return found.map(lambda item: self.view(VexDocument.model_validate(item)))

    def get(self, instance: Instance, document_id: str) -> VexDocument:
        """Raises NotFound."""
        item = self._table.get(keys.vex(instance.id, document_id)) if is_id(document_id) else None
        if item is None:
            raise _missing()
        return VexDocument.model_validate(item)

    def view(self, kept: VexDocument) -> VexDocumentView:
        document = kept.document
        return VexDocumentView(
            id=kept.id,
            document_id=document.id,
            author=document.author,
            issued_at=document.timestamp,
            statements=len(document.statements),
            silencing=sum(statement.status in SILENCING for statement in document.statements),
            expires_at=kept.expires_at,
            expired=not kept.holds(self._stack.clock.now()),
            created_at=kept.created_at,
            created_by=kept.created_by,
        )

    def detail(self, kept: VexDocument) -> VexDocumentDetail:
        return VexDocumentDetail(**self.view(kept).model_dump(), document=_plain(kept.document))

    def holding(self, instance_id: str) -> Iterator[VexDocument]:
        """Those that have not expired. One that cannot be read silences nothing."""
        now = self._stack.clock.now()
        for item in self._all(instance_id):
            try:
                kept = VexDocument.model_validate(item)
                readable = bool(kept.document)
            except (ValueError, zlib.error):
                logger.exception("failed to read a VEX document", instance_id=instance_id, document=item["sk"])
                continue
            if readable and kept.holds(now):
                yield kept

    def add(self, instance: Instance, new: NewVexDocument, by: str) -> VexDocument:
        """Raises Invalid, TooLarge, and Conflict beyond MOST_DOCUMENTS."""
        now = self._stack.clock.now()
        if new.expires_at is not None and new.expires_at <= now:
            raise Invalid("expires_at", "lies in the past")
        packed = zlib.compress(json.dumps(_plain(new.document), separators=(",", ":")).encode())
        if len(packed) > PACKED_LIMIT_BYTES:
            raise TooLarge("document", PACKED_LIMIT_BYTES)
        if sum(1 for _ in self._all(instance.id)) >= MOST_DOCUMENTS:
            raise Conflict(f"an instance has at most {MOST_DOCUMENTS} VEX documents; delete some that expired")
        kept = VexDocument(
            id=new_id(),
            instance_id=instance.id,
            expires_at=new.expires_at,
            created_at=now,
            created_by=by,
            packed=packed,
        )
        self._table.put({**keys.vex(instance.id, kept.id)._asdict(), **kept.model_dump()}, absent())
        self._judge_again(instance)
        return kept

    def remove(self, instance: Instance, document_id: str) -> None:
        """Raises NotFound."""
        kept = self.get(instance, document_id)
        try:
            self._table.delete(keys.vex(instance.id, kept.id), present())
        except ConditionFailed as gone:
            raise _missing() from gone
        self._judge_again(instance)

    def _all(self, instance_id: str) -> Iterator[Item]:
        first = keys.vex(instance_id, "")
        return every(lambda cursor: self._table.query(first.pk, prefix=first.sk, cursor=cursor))

    def _judge_again(self, instance: Instance) -> None:
        message = RescanImages(instance_id=instance.id, database="")
        self._stack.queues.send(message.queue, [encode(message)])


def _tells_of(document: OpenVex, text: str) -> bool:
    known = (one for statement in document.statements for one in statement.vulnerability.ids)
    return any(text in told.lower() for told in (document.author, document.id, *known))


def _plain(document: OpenVex) -> dict[str, Any]:
    return document.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _missing() -> NotFound:
    return NotFound("there is no such VEX document")
