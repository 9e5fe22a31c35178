"""A place in a layer's bytes, which moves on and never back. Limits of bytes and time are kept here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .entries import MIB, LayerRefused, Limits


class Source:
    """Not more of the layer is held than one block, and what was asked to be seen ahead."""

    def __init__(self, blocks: Iterator[bytes], limits: Limits, clock: Callable[[], float]) -> None:
        self._blocks = blocks
        self._limits = limits
        self._clock = clock
        self._until = clock() + limits.seconds
        self._block = b""
        self._at = 0
        self._bytes = 0

    def take(self, size: int) -> bytes:
        """The next bytes; fewer where it ends."""
        at = self._at
        end = at + size
        if end <= len(self._block):
            self._at = end
            return self._block[at:end]
        return b"".join(self.parts(size))

    def parts(self, size: int) -> Iterator[bytes]:
        """The same in pieces, each as long as there is at once."""
        while size > 0:
            if self._at == len(self._block) and not self._fill():
                return
            part = self._block[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            yield part

    def ahead(self, size: int) -> bytes:
        """The next bytes, which stay the next ones."""
        while len(self._block) - self._at < size:
            rest = self._block[self._at :]
            if not self._fill():
                self._block, self._at = rest, 0
                break
            self._block = rest + self._block
        return self._block[self._at : self._at + size]

    def skip(self, size: int) -> int:
        """How many bytes were missing: 0 unless it ended before."""
        while size > (here := len(self._block) - self._at):
            size -= here
            if not self._fill():
                return size
        self._at += size
        return 0

    def drain(self) -> None:
        """To the end, so that what a checksum at the end says is heard."""
        while self._fill():
            pass

    def _fill(self) -> bool:
        self._at = 0
        self._block = next(self._blocks, b"")
        self._bytes += len(self._block)
        if self._bytes > self._limits.bytes_most:
            raise LayerRefused(
                "too_large", f"The layer has more than {self._limits.bytes_most // MIB} MiB uncompressed."
            )
        if self._clock() > self._until:
            raise LayerRefused("too_long", f"The layer could not be read within {self._limits.seconds:g} seconds.")
        return bool(self._block)
