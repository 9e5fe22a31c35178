"""One blob on its way from an upstream: given out as it comes, and written into an upload of ours beside that.

pieces ─► client                      the last one only once size and digest are known to be right
     └──► upload ─► finished: kept    what cannot be kept (no room, a store in trouble) is given out all the same
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chalicelib.edge.log import logger
from chalicelib.kernel.errors import Refused
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.ports.objects import ObjectExists, ObjectMissing
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry, UploadWriter

from .upstreams import patience

# Of one step in a thread: fewer cost more steps, more keep a slow client waiting.
PIECE_BYTES: Final = 256 * 1024
_TROUBLE: Final = (Refused, OSError, ObjectExists, ObjectMissing)


class Inflow:
    """Blocking; one call at a time; always `close` it.

    pieces   verified: raises at the end where they are not the digest's bytes
    filler   None: nothing is kept
    """

    def __init__(
        self, registry: Registry, pieces: Iterator[bytes], digest: Digest, name: RepositoryName, filler: Caller | None
    ) -> None:
        self._registry = registry
        self._pieces = pieces
        self._digest = digest
        self._name = name
        self._filler = filler
        self._upload = ""
        self._writer: UploadWriter | None = None
        self.kept = False

    def open(self) -> bytes:
        """The first piece. Raises what the upstream's refusal is."""
        first = self._gathered()
        if self._filler is not None:
            try:
                self._upload = self._registry.start_upload(self._filler, self._name, self._digest.algorithm).id
                self._writer = self._registry.resume(self._filler, self._name, self._upload, 0)
            except _TROUBLE as trouble:
                self._give_up(trouble)
        return self._passed(first)

    def following(self) -> bytes:
        """The next piece; b"" at the end, when all that came before is right."""
        with patience():
            return self._passed(self._gathered())

    def close(self) -> None:
        """What is not whole does not stay."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
        self._abandon()

    def _gathered(self) -> bytes:
        gathered = bytearray()
        for piece in self._pieces:
            gathered += piece
            if len(gathered) >= PIECE_BYTES:
                break
        return bytes(gathered)

    def _passed(self, piece: bytes) -> bytes:
        if self._writer is None:
            return piece
        try:
            if piece:
                self._writer.append(piece)
            else:
                self._writer.finish(self._digest)
                self.kept = True
                self._writer.close()
                self._writer = None
        except _TROUBLE as trouble:
            self._give_up(trouble)
        return piece

    def _give_up(self, trouble: BaseException) -> None:
        reason = trouble.code if isinstance(trouble, Refused) else type(trouble).__name__
        logger.warning("failed to keep a blob that was pulled through", repository=self._name, reason=reason)
        self._abandon()

    def _abandon(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None or self._filler is None:
            return
        try:
            writer.close()
            self._registry.cancel_upload(self._filler, self._name, self._upload)
        except _TROUBLE:
            return  # Sweepers end what cannot be ended now.
