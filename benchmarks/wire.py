"""The bytes on the wire: what the load client sends and reads back, with as little work per request as Python allows.

A load client that costs as much as the server measures itself, so nothing here builds objects it does not need:
a request is its finished bytes, an answer keeps its head unparsed until somebody asks for a field of it.
"""

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_BODILESS_STATUSES = (204, 304)


class Refused(Exception):
    """An answer other than the one the operation needs; the text names the request and what came back."""


class Take(Enum):
    """What becomes of the body of an answer.

    KEEP  it is handed to the operation
    READ  it is copied out of the kernel, as a client must to use it, and forgotten
    DROP  the kernel throws it away uncopied (``MSG_TRUNC``), so that only the server's work remains to be measured
    """

    KEEP = "keep"
    READ = "read"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to send.

    head      request line and header lines, with the empty line at the end
    body      buffers sent after the head, in order and without joining them
    bodiless  True for HEAD, whose answer announces a length and sends nothing
    take      what becomes of the body of the answer
    """

    head: bytes
    body: tuple[memoryview, ...] = ()
    bodiless: bool = False
    take: Take = Take.KEEP


@dataclass(slots=True)
class Answer:
    """One answer; ``body`` is what came with the head, or nothing, where the request does not keep it."""

    request: Request
    status: int
    head: bytes
    body: bytes

    def expect(self, status: int) -> "Answer":
        """Itself; raises Refused when the status is another."""
        if self.status != status:
            asked = self.request.head.split(b"\r\n", 1)[0].decode("latin-1")
            raise Refused(f"{asked}: {self.status} instead of {status}: {self.body[:200].decode('utf-8', 'replace')}")
        return self

    def header(self, name: str) -> str | None:
        """The first value of one header, or None where it was not sent."""
        found = re.search(rb"\r\n" + re.escape(name.encode()) + rb": *([^\r]*)", self.head, re.IGNORECASE)
        return found[1].decode("latin-1") if found else None

    def location(self) -> str:
        """Path and query of the Location header; raises Refused without one, as nothing can follow."""
        value = self.header("Location")
        if value is None:
            raise Refused(f"an answer {self.status} without the Location it must have")
        parts = urlsplit(value)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


Operation = Generator[Request, Answer, None]
"""What counts as one: yields each request it needs, is sent its answer, ends when done, raises Refused if it fails."""


def build_request(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: tuple[memoryview, ...] = (),
    take: Take = Take.KEEP,
) -> Request:
    """A request with its Content-Length, where the method is one that may carry a body."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {sum(len(part) for part in body)}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    return Request(head, body, bodiless=method == "HEAD", take=take)


def body_length(request: Request, head: bytes) -> int | None:
    """Bytes of body that follow this head; None when they come in chunks and their end has to be looked for."""
    if request.bodiless or int(head[9:12]) in _BODILESS_STATUSES:
        return 0
    found = _LENGTH.search(head)
    if found:
        return int(found[1])
    if _CHUNKED.search(head):
        return None
    return 0
