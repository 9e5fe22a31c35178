"""An object of S3 being read: its body as it comes over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from chalicelib.kernel.errors import Unavailable

_CHUNK_BYTES: Final = 1024 * 1024


class BodyReading:
    """`Reading` of a body on the wire."""

    descriptor: int | None = None

    def __init__(self, body: Any, size: int, length: int) -> None:
        self._body = body
        self._length = length
        self.size = size

    def chunks(self) -> Iterator[bytes]:
        left = self._length
        while left:
            try:
                data: bytes = self._body.read(min(_CHUNK_BYTES, left))
            except (BotoCoreError, HTTPError, OSError) as error:
                raise Unavailable("the object store broke off in the middle of an object") from error
            if not data:
                raise Unavailable("the object store broke off in the middle of an object")
            left -= len(data)
            yield data
        self._body.read()  # the end of the answer, which gives the connection back to the pool

    def close(self) -> None:
        """A connection with unread bytes on it is closed; S3's are never worth reading to their end."""
        self._body.close()


class EmptyReading:
    """`Reading` of an empty range."""

    descriptor: int | None = None

    def __init__(self, size: int) -> None:
        self.size = size

    def chunks(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        """Nothing is held."""
