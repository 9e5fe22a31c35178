"""Everything the service refuses, as one tree.

    Refused                          code, status, message, detail
    ├── Invalid                400   the request is malformed; names each bad field
    │   ├── NameInvalid              a namespace, repository or tag name
    │   ├── DigestInvalid            not a digest, or not of these bytes
    │   ├── SizeInvalid              length declared and length sent differ
    │   ├── RangeInvalid       416   a range or an upload offset that does not fit
    │   ├── ManifestInvalid          a body that is not a manifest
    │   ├── PatternInvalid           a rule's pattern; points at the character
    │   └── TooLarge           413   over a limit
    ├── Unauthenticated        401   no credential, or a wrong one
    ├── Denied                 403   known, but not allowed
    │   ├── AddressNotAllowed        not on the instance's allowlist
    │   ├── InstanceFrozen           expired; data is kept
    │   ├── EditionRequired          a feature of the enterprise edition
    │   ├── PullBlocked              kept back by a pull policy; names the findings
    │   └── QuotaExceeded            names the quota that is used up
    ├── NotFound               404   missing, or not to be known of
    │   ├── RepositoryMissing        and its namespace does not make repositories on push
    │   ├── ManifestUnknown
    │   ├── ManifestBlobUnknown      a manifest names content the repository does not hold
    │   ├── BlobUnknown
    │   └── UploadUnknown
    ├── Conflict               409   exists already, is in use, or moved meanwhile
    │   ├── TagImmutable             names the rule
    │   ├── TagReserved              a name that the service keeps for an accelerated image
    │   ├── BalanceTooLow            an order that the account's balance does not cover
    │   └── InUse                    names what needs it
    ├── ConfirmationRequired   428   says what would be lost
    ├── Throttled              429   carries the seconds to wait
    └── Unavailable            503   a store did not answer; carries the seconds to wait

Rooms raise these; only `edge/` and `registry/protocol.py` translate them for the wire.
"""

from __future__ import annotations

from typing import ClassVar

from . import money


class Refused(Exception):
    """One request that is not carried out.

    message   for people
    detail    plain JSON values
    fields    those of the request's that are at fault, each with what is wrong with it
    """

    code: ClassVar[str] = "REFUSED"
    status: ClassVar[int] = 400

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.fields: tuple[tuple[str, str], ...] = ()


class Invalid(Refused):
    code = "INVALID"

    def __init__(self, field: str, message: str, **detail: object) -> None:
        super().__init__(message, **detail)
        self.fields = ((field, message),)

    @classmethod
    def many(cls, fields: list[tuple[str, str]]) -> Invalid:
        """One refusal that names every bad field at once."""
        error = cls(*fields[0])
        error.fields = tuple(fields)
        return error


class NameInvalid(Invalid):
    code = "NAME_INVALID"


class DigestInvalid(Invalid):
    code = "DIGEST_INVALID"

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__("digest", message, **detail)


class SizeInvalid(Invalid):
    code = "SIZE_INVALID"

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__("size", message, **detail)


class RangeInvalid(Invalid):
    """`offset` is the length held so far (uploads) or the length of the content (downloads), in bytes."""

    code = "RANGE_INVALID"
    status = 416

    def __init__(self, message: str, offset: int) -> None:
        super().__init__("range", message, offset=offset)
        self.offset = offset


class ManifestInvalid(Invalid):
    code = "MANIFEST_INVALID"

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__("manifest", message, **detail)


class PatternInvalid(Invalid):
    code = "PATTERN_INVALID"

    def __init__(self, field: str, message: str, position: int) -> None:
        super().__init__(field, message, position=position)
        self.position = position


class TooLarge(Invalid):
    code = "TOO_LARGE"
    status = 413

    def __init__(self, field: str, limit_bytes: int) -> None:
        super().__init__(field, f"{field} may have at most {limit_bytes} bytes", limit=limit_bytes)


class Unauthenticated(Refused):
    """`pull_from`: a repository that a token for this request must allow to pull from too, empty for none."""

    code = "UNAUTHENTICATED"
    status = 401

    def __init__(
        self, message: str = "log in with a user name and password of this instance", pull_from: str = ""
    ) -> None:
        super().__init__(message)
        self.pull_from = pull_from


class Denied(Refused):
    code = "DENIED"
    status = 403

    def __init__(self, message: str = "this login is not allowed to do that", **detail: object) -> None:
        super().__init__(message, **detail)


class AddressNotAllowed(Denied):
    code = "ADDRESS_NOT_ALLOWED"

    def __init__(self, address: str) -> None:
        super().__init__(f"address {address} is not on the instance's public allowlist", address=address)


class InstanceFrozen(Denied):
    code = "INSTANCE_FROZEN"

    def __init__(self, instance: str) -> None:
        super().__init__(f"instance {instance} has expired and is frozen; renew it to go on", instance=instance)


class EditionRequired(Denied):
    code = "EDITION_REQUIRED"

    def __init__(self, feature: str) -> None:
        super().__init__(f"{feature} needs an enterprise instance", feature=feature)


class PullBlocked(Denied):
    """Content that the pull policy of its namespace keeps back.

    why     for people: what was found, or that nobody has looked; advice: what to do next
    """

    code = "SCAN_POLICY"

    def __init__(self, repository: str, digest: str, why: str, advice: str, **detail: object) -> None:
        namespace = repository.partition("/")[0]
        super().__init__(
            f"{repository}@{digest} is blocked by the pull policy of namespace {namespace}: {why}; {advice}",
            namespace=namespace,
            repository=repository,
            digest=digest,
            **detail,
        )


class QuotaExceeded(Denied):
    code = "QUOTA_EXCEEDED"

    def __init__(self, quota: str, limit: int) -> None:
        super().__init__(f"the quota of {limit} for {quota} is used up", quota=quota, limit=limit)


class NotFound(Refused):
    code = "NOT_FOUND"
    status = 404

    def __init__(self, message: str = "there is no such thing", **detail: object) -> None:
        super().__init__(message, **detail)


class RepositoryMissing(NotFound):
    def __init__(self, repository: str, *, namespace_missing: bool = False) -> None:
        namespace = repository.partition("/")[0]
        if namespace_missing:
            message, reason = f"there is no namespace {namespace}; create it first", "NAMESPACE_MISSING"
        else:
            message = f"repository {repository} does not exist and its namespace makes none on push; create it first"
            reason = "REPOSITORY_MISSING"
        super().__init__(message, reason=reason, repository=repository)


class ManifestUnknown(NotFound):
    def __init__(self, reference: str) -> None:
        super().__init__(f"no manifest is known as {reference}", reference=reference)


class ManifestBlobUnknown(NotFound):
    def __init__(self, digest: str) -> None:
        super().__init__(f"the repository does not hold {digest}; push it first", digest=digest)


class BlobUnknown(NotFound):
    def __init__(self, digest: str) -> None:
        super().__init__(f"no blob is known as {digest}", digest=digest)


class UploadUnknown(NotFound):
    def __init__(self, upload: str) -> None:
        super().__init__("no such upload is under way; start again", upload=upload)


class Conflict(Refused):
    code = "CONFLICT"
    status = 409

    @classmethod
    def on(cls, field: str, message: str) -> Conflict:
        """One that names the field whose value is taken."""
        return Conflict.many([(field, message)])

    @classmethod
    def many(cls, fields: list[tuple[str, str]]) -> Conflict:
        """One that names every field whose value is taken."""
        error = Conflict(fields[0][1])
        error.fields = tuple(fields)
        return error


class TagImmutable(Conflict):
    code = "TAG_IMMUTABLE"

    def __init__(self, repository: str, tag: str, rule_id: str) -> None:
        super().__init__(
            f"tag {tag} of {repository} is immutable under rule {rule_id}; use another tag, or have the rule changed",
            repository=repository,
            tag=tag,
            rule=rule_id,
        )


class TagReserved(Conflict):
    code = "TAG_RESERVED"

    def __init__(self, repository: str, tag: str, original: str) -> None:
        super().__init__(
            f"the name {tag} of {repository} belongs to the accelerated version of {original}; push another name, or "
            "turn acceleration off and delete that version",
            repository=repository,
            tag=tag,
            original=original,
        )


class BalanceTooLow(Conflict):
    """In whole cents of the currency."""

    code = "BALANCE_TOO_LOW"

    def __init__(self, amount_cents: int, balance_cents: int) -> None:
        amount, balance = money.amount(amount_cents), money.amount(balance_cents)
        super().__init__(
            f"the order costs {amount} {money.CURRENCY} and the balance is {balance}; top up first",
            amount=float(amount),
            balance=float(balance),
        )


class InUse(Conflict):
    code = "IN_USE"

    def __init__(self, message: str, needed_by: str) -> None:
        super().__init__(message, needed_by=needed_by)


class ConfirmationRequired(Refused):
    code = "CONFIRMATION_REQUIRED"
    status = 428


class Throttled(Refused):
    code = "TOO_MANY_REQUESTS"
    status = 429

    def __init__(self, retry_after_s: int, message: str = "too many requests; wait and try again") -> None:
        super().__init__(message, retry_after=retry_after_s)
        self.retry_after_s = retry_after_s


class Unavailable(Refused):
    code = "UNAVAILABLE"
    status = 503

    def __init__(self, message: str = "the service is busy; try again", retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
