"""Whose a bucket is, as the store itself knows it. Customers bring buckets of their own; the service must neither take
one that is somebody else's nor disturb what its owner set up there."""

from __future__ import annotations

from typing import Final, Protocol

# The tag by which whoever holds a bucket says which account of this service may have it.
TAG: Final = "crs:account"


class Ownership(Protocol):
    """Either method may raise `Unavailable`."""

    def owner(self, bucket: str) -> str:
        """The account that the bucket itself names, "" where it names none. Raises NotFound if there is no bucket."""
        ...

    def adopt(self, bucket: str, account: str) -> None:
        """The bucket names the account, and tells the service of new objects. What else is set up there stays.

        Repeating it is harmless. Raises NotFound if there is no bucket, Invalid naming `bucket` if it lies where the
        service would not hear of its objects.
        """
        ...
