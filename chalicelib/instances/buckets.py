"""Which account has which bucket: a bucket is claimed by one account, once, before an instance may lie in it (I2).

claim     made by the operator's command, or with the first opening in a bucket that itself names the account
"""

from __future__ import annotations

from pydantic import BaseModel

from chalicelib.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys, paths
from chalicelib.ports.objects import ObjectExists, ObjectMissing
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Check, Put, TransactionCancelled, absent, equals

_NOT_YOURS = "is none of the account's buckets"
_PROBE = b"may this instance keep its content here?"


class Bucket(BaseModel):
    """A bucket that instances of the account can be opened in."""

    model_config = KEPT

    name: str
    claimed_at: Moment


class Buckets:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table

    def page(self, account_id: str, cursor: str | None, limit: int) -> Page[Bucket]:
        """The account's, in name order, one query a page."""
        prefix = keys.account_bucket(account_id, "").sk
        partition = keys.account_partition(account_id)
        return self._table.query(partition, prefix=prefix, cursor=cursor, limit=limit).map(Bucket.model_validate)

    def refusal(self, account_id: str, bucket: str) -> str:
        """Why the account cannot open an instance there, in the same words for what is missing and what is another
        account's; "" if it can. A forecast: `claim` decides."""
        claimed = self._table.get(keys.bucket(bucket))
        if claimed is not None:
            return "" if claimed["account_id"] == account_id else _NOT_YOURS
        if bucket == self._stack.settings.bucket:
            return _NOT_YOURS
        try:
            return "" if self._stack.ownership.owner(bucket) == account_id else _NOT_YOURS
        except NotFound:
            return _NOT_YOURS

    def claim(self, account_id: str, bucket: str) -> None:
        """The bucket is the account's from now on; harmless if it is already. Raises Conflict if it is another's."""
        if bucket == self._stack.settings.bucket:
            raise Conflict(f"bucket {bucket} is the service's own", bucket=bucket)
        listed = Bucket(name=bucket, claimed_at=self._stack.clock.now()).model_dump()
        claim = {"account_id": account_id, "name": bucket, "schema_version": 1}
        try:
            self._table.transact(
                [
                    Put({**keys.bucket(bucket)._asdict(), **claim}, absent()),
                    Put({**keys.account_bucket(account_id, bucket)._asdict(), **listed}),
                ]
            )
        except TransactionCancelled as taken:
            held = taken.failed.get(0) or {}
            if held.get("account_id") != account_id:
                raise Conflict(f"bucket {bucket} belongs to another account", bucket=bucket) from taken

    def claimed(self, account_id: str, bucket: str) -> Check:
        """For an opening's transaction: the bucket is still the account's."""
        return Check(keys.bucket(bucket), equals("account_id", account_id))

    def prepare(self, account_id: str, bucket: str, instance_id: str) -> None:
        """Claims the bucket, has it tell of new objects, and proves that it keeps what it is given.

        Raises Conflict, Invalid naming `bucket`.
        """
        self.claim(account_id, bucket)
        key = paths.probe(instance_id, new_id())
        try:
            self._stack.ownership.adopt(bucket, account_id)
            objects = self._stack.objects(bucket)
            objects.put(key, _PROBE)
            try:
                reading = objects.get(key)
                try:
                    kept = b"".join(reading.chunks())
                finally:
                    reading.close()
            finally:
                objects.delete(key)
        except (NotFound, Unavailable, ObjectMissing, ObjectExists) as error:
            raise Invalid("bucket", f"does not keep a small object on trial: {error}") from error
        if kept != _PROBE:
            raise Invalid("bucket", "gives back other bytes than it was given")
