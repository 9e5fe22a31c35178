"""Every key of the table, in one place.

Entities (one table; scans: `scan_keys.py`, accelerated images: `acceleration_keys.py`, environments and services:
`binding_keys.py`, synchronisation: `sync_keys.py`, registries elsewhere: `remotes_keys.py`; audit has its own:
`audit_keys.py`)

  pk                          sk                                     what stands there
  ADDRESS#<label>             ADDRESS                                host label → instance id
  ACCOUNT#<account>           INSTANCE#<instance name>               instance id, unique in its account
  INSTANCES                   INSTANCE#<instance>                    every instance, for the operator's own tools
  ACCOUNT#<account>           PERSONAL                               its personal instance: there is at most one
  INSTANCE#<instance>         INSTANCE                               edition, bucket, state, quotas    i1: due
  INSTANCE#<instance>         COUNT                                  namespaces and repositories in use
  INSTANCE#<instance>         USAGE#<00..15>                         stored bytes; a personal instance uses 00 alone
  INSTANCE#<instance>         ALLOWLIST                              the public allowlist, one item
  INSTANCE#<instance>         CREDENTIAL#<user name>                 registry credential
  INSTANCE#<instance>         NAMESPACE#<name>                       namespace, with its id
  INSTANCE#<instance>         REPOSITORY#<namespace>/<name>          repository, with its id
  REPO#<id>                   REPOSITORY                             id → instance and name; deleted: i1 due
  REPO#<id>                   MANIFEST#<digest>                      incarnation, version, state, body, summaries
  REPO#<id>                   TAG#<name>                             digest, version, pushed_at …      i1: by push time
  REPO#<id>                   HISTORY#<tag>#<ulid>                   a digest the tag has pointed to
  REPO#<id>                   HOLD#<digest>#<TAG|INDEX|BIN>#<owner>  why a manifest must live
  REPO#<id>                   LINK#<digest>                          right to read a blob here; state L or C
  REPO#<id>                   REFERRER#<subject>#<digest>            descriptor of a referrer
  BLOB#<instance>#<digest>    HEAD                                   state L, C or D; generation, size, token
  BLOB#<instance>#<digest>    EDGE#<repo>#<MANIFEST|UPLOAD>#<owner>  why a blob must live; uploads: i1 due
  INTENT#<incarnation>        INTENT                                 a push under way                   i1: due
  UPLOAD#<id>                 UPLOAD                                 an upload, later its generation    i1: due
  TOMBSTONE#<generation>      TOMBSTONE                              bytes to delete                    i1: due
  RELEASE#<incarnation>       RELEASE                                a dead manifest's edges to remove  i1: due
  BIN#<instance>              ENTRY#<ulid>                           recycle bin                        i1: due
  BIN#<instance>              PART#<ulid>#<repository>               repository deleted with its namespace
  EVENT#<time>#<ulid>         EVENT                                  a row as it was when nobody was told of it yet
  OUTBOX#<incarnation>        OUTBOX                                 a push whose event is not handled  i1: due
  THROTTLE#<scope>            <login|address>#<…>                    failed sign-ins; scope: an instance or an account
  ACCOUNTS                    ACCOUNT#<account>                      every account, for the operator
  ACCOUNT#<account>           ACCOUNT                                an account; its id is its name, fixed for ever
  ACCOUNT#<account>           USER#<user name>                       a person: role, password
  ACCOUNT#<account>           KEY#<access key>                       access key → its user; the secret's hash
  ACCOUNT#<account>           BUCKET#<bucket>                        a bucket claimed by the account
  ACCOUNT#<account>           BALANCE                                money
  ACCOUNT#<account>           ORDER#<ulid>                           orders
  ACCOUNT#<account>           TOPUP#<ulid>                           money that came in
  ACCOUNT#<account>           SHARED#<user name>#<share>             what was shared with a user of the account
  ACCESSKEY#<id>              ACCESSKEY                              access key id → its account
  BUCKET#<bucket>             BUCKET                                 which account claimed it
  SESSION#<keyed hash>        SESSION                                a sign-in
  REPLAY#<caller>             KEY#<hash>                             answer to a POST with an Idempotency-Key
  TASKS#<instance>            TASK#<ulid>                            background work people see         i1: due
  TASK#<ulid>                 ITEM#<ulid>                            one thing a task did
  REPO#<id>                   SHARE#<share>                          who else may pull                  i1: by guest
  INSTANCE#<instance>         WORKLOAD#<ulid>                        whose workload tokens are taken for credentials
  WORKLOADTOKEN#<hash>        WORKLOADTOKEN                          a workload token that was used
  SERIES#<instance>           HOUR#<time>                            pulls and storage of an hour
  SERIES#<instance>           HOUR#<time>#<0..3>                     its pushes, in as many rows
  POLICY#<namespace id>       IMMUTABLE#<00..15>                     its immutability rules and a version, in 16 copies
  POLICY#<namespace id>       RETENTION                              its retention rules and schedule      i1: due
  POLICY#<namespace id>       RUN#<task>                             a run of retention; the task has the rest
  WEBHOOKS#<instance>         WEBHOOK#<ulid>                         whom to tell of what               i1: due
  WEBHOOK#<ulid>              DELIVERY#<ulid>                        one event told to one webhook      i2: pending

Index 1 serves three questions and never the same item two: tags of a repository by push time
(`REPO#<id>#PUSHED`), an instance's shares by guest (`SHARES#<instance>`, sk `<account>/<user name>#<share>`), and work
that is due (`DUE#<kind>#<0..3>`, sk `<time>#<id>`).
Manifests that lost their last holder are due too (`DUE#manifest`). Index 2 has rows that are an event and were not told
of yet (`UNTOLD#<0..3>`, sk `<time>#<id>`), and each webhook's pending deliveries (`WEBHOOK#<id>#PENDING`, the same).

Access patterns: a pull reads INSTANCE, ALLOWLIST, CREDENTIAL, NAMESPACE and REPOSITORY in one batch (remembered),
then TAG, then MANIFEST. A list is one query of one partition. Sweepers query index 1 up to now. Nothing scans.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from .table import Key

DUE_SHARDS: Final = 4
USAGE_SHARDS: Final = 16
POLICY_SHARDS: Final = 16
SERIES_SHARDS: Final = 4
INSTANCES: Final = "INSTANCES"
ACCOUNTS: Final = "ACCOUNTS"


def address(label: str) -> Key:
    return Key(f"ADDRESS#{label}", "ADDRESS")


def account_instance(account: str, name: str) -> Key:
    return Key(f"ACCOUNT#{account}", f"INSTANCE#{name}")


def personal_instance(account: str) -> Key:
    return Key(f"ACCOUNT#{account}", "PERSONAL")


def listed_instance(instance: str) -> Key:
    return Key(INSTANCES, f"INSTANCE#{instance}")


def instance_partition(instance: str) -> str:
    return f"INSTANCE#{instance}"


def instance(instance: str) -> Key:
    return Key(f"INSTANCE#{instance}", "INSTANCE")


def count(instance: str) -> Key:
    return Key(f"INSTANCE#{instance}", "COUNT")


def usage(instance: str, shard: int) -> Key:
    return Key(f"INSTANCE#{instance}", f"USAGE#{shard:02d}")


def allowlist(instance: str) -> Key:
    return Key(f"INSTANCE#{instance}", "ALLOWLIST")


def credential(instance: str, username: str) -> Key:
    return Key(f"INSTANCE#{instance}", f"CREDENTIAL#{username}")


def namespace(instance: str, name: str) -> Key:
    return Key(f"INSTANCE#{instance}", f"NAMESPACE#{name}")


def repository(instance: str, name: str) -> Key:
    return Key(f"INSTANCE#{instance}", f"REPOSITORY#{name}")


def repository_partition(repository: str) -> str:
    return f"REPO#{repository}"


def repository_by_id(repository: str) -> Key:
    return Key(f"REPO#{repository}", "REPOSITORY")


def manifest(repository: str, digest: str) -> Key:
    return Key(f"REPO#{repository}", f"MANIFEST#{digest}")


def tag(repository: str, name: str) -> Key:
    return Key(f"REPO#{repository}", f"TAG#{name}")


def pushed_order(repository: str) -> str:
    """Partition of index 1 that holds a repository's tags by push time."""
    return f"REPO#{repository}#PUSHED"


def history(repository: str, tag: str, entry: str) -> Key:
    return Key(f"REPO#{repository}", f"HISTORY#{tag}#{entry}")


def hold_prefix(digest: str, kind: str = "") -> str:
    """All that holds a manifest, or what of one kind does."""
    return f"HOLD#{digest}#{kind}#" if kind else f"HOLD#{digest}#"


def hold(repository: str, digest: str, kind: str, owner: str) -> Key:
    return Key(f"REPO#{repository}", f"HOLD#{digest}#{kind}#{owner}")


def link(repository: str, digest: str) -> Key:
    return Key(f"REPO#{repository}", f"LINK#{digest}")


def referrer_prefix(subject: str) -> str:
    return f"REFERRER#{subject}#"


def referrer(repository: str, subject: str, digest: str) -> Key:
    return Key(f"REPO#{repository}", f"REFERRER#{subject}#{digest}")


def blob_partition(instance: str, digest: str) -> str:
    return f"BLOB#{instance}#{digest}"


def head(instance: str, digest: str) -> Key:
    return Key(f"BLOB#{instance}#{digest}", "HEAD")


def edge_prefix(repository: str = "") -> str:
    """All edges of a blob, or those of one repository."""
    return f"EDGE#{repository}#" if repository else "EDGE#"


def edge(instance: str, digest: str, repository: str, kind: str, owner: str) -> Key:
    """owner: a manifest's incarnation, or an upload's id. Neither is ever used twice."""
    return Key(f"BLOB#{instance}#{digest}", f"EDGE#{repository}#{kind}#{owner}")


def intent(incarnation: str) -> Key:
    return Key(f"INTENT#{incarnation}", "INTENT")


def upload(upload: str) -> Key:
    return Key(f"UPLOAD#{upload}", "UPLOAD")


def tombstone(generation: str) -> Key:
    return Key(f"TOMBSTONE#{generation}", "TOMBSTONE")


def release(incarnation: str) -> Key:
    return Key(f"RELEASE#{incarnation}", "RELEASE")


def bin_partition(instance: str) -> str:
    return f"BIN#{instance}"


def bin_entry(instance: str, entry: str) -> Key:
    return Key(f"BIN#{instance}", f"ENTRY#{entry}")


def bin_part(instance: str, entry: str, repository: str) -> Key:
    """A repository that was deleted with its namespace, under that one's entry; `repository` "" begins them all."""
    return Key(f"BIN#{instance}", f"PART#{entry}#{repository}")


def outbox(incarnation: str) -> Key:
    return Key(f"OUTBOX#{incarnation}", "OUTBOX")


def throttle(scope: str, bucket: str) -> Key:
    return Key(f"THROTTLE#{scope}", bucket)


def account_partition(account: str) -> str:
    return f"ACCOUNT#{account}"


def account(account: str) -> Key:
    return Key(f"ACCOUNT#{account}", "ACCOUNT")


def listed_account(account: str) -> Key:
    return Key(ACCOUNTS, f"ACCOUNT#{account}")


def user(account: str, username: str) -> Key:
    return Key(f"ACCOUNT#{account}", f"USER#{username}")


def account_access_key(account: str, access_key: str) -> Key:
    return Key(f"ACCOUNT#{account}", f"KEY#{access_key}")


def access_key(access_key: str) -> Key:
    return Key(f"ACCESSKEY#{access_key}", "ACCESSKEY")


def account_bucket(account: str, bucket: str) -> Key:
    return Key(f"ACCOUNT#{account}", f"BUCKET#{bucket}")


def bucket(bucket: str) -> Key:
    return Key(f"BUCKET#{bucket}", "BUCKET")


def balance(account: str) -> Key:
    return Key(f"ACCOUNT#{account}", "BALANCE")


def order(account: str, order: str) -> Key:
    return Key(f"ACCOUNT#{account}", f"ORDER#{order}")


def top_up(account: str, top_up: str) -> Key:
    return Key(f"ACCOUNT#{account}", f"TOPUP#{top_up}")


def shared_prefix(username: str) -> str:
    return f"SHARED#{username}#"


def shared_with(account: str, username: str, share: str) -> Key:
    return Key(f"ACCOUNT#{account}", f"SHARED#{username}#{share}")


def session(session_hash: str) -> Key:
    return Key(f"SESSION#{session_hash}", "SESSION")


def replay(caller: str, key_hash: str) -> Key:
    return Key(f"REPLAY#{caller}", f"KEY#{key_hash}")


def tasks_partition(instance: str) -> str:
    return f"TASKS#{instance}"


def task(instance: str, task: str) -> Key:
    return Key(f"TASKS#{instance}", f"TASK#{task}")


def task_items(task: str) -> str:
    return f"TASK#{task}"


def task_item(task: str, item: str) -> Key:
    return Key(f"TASK#{task}", f"ITEM#{item}")


def share(repository: str, share: str) -> Key:
    return Key(f"REPO#{repository}", f"SHARE#{share}")


def workload(instance: str, workload: str) -> Key:
    return Key(f"INSTANCE#{instance}", f"WORKLOAD#{workload}")


def workload_token(token_hash: str) -> Key:
    return Key(f"WORKLOADTOKEN#{token_hash}", "WORKLOADTOKEN")


def series_partition(instance: str) -> str:
    return f"SERIES#{instance}"


def series(instance: str, hour: str) -> Key:
    return Key(f"SERIES#{instance}", f"HOUR#{hour}")


def policies_partition(namespace_id: str) -> str:
    """Rules of a namespace. They hang on its id: another of its name has none, and restored it has them again."""
    return f"POLICY#{namespace_id}"


def policy(namespace_id: str, shard: int) -> Key:
    return Key(f"POLICY#{namespace_id}", f"IMMUTABLE#{shard:02d}")


def retention(namespace_id: str) -> Key:
    return Key(f"POLICY#{namespace_id}", "RETENTION")


def retention_run(namespace_id: str, task: str) -> Key:
    return Key(f"POLICY#{namespace_id}", f"RUN#{task}")


def webhooks_partition(instance: str) -> str:
    return f"WEBHOOKS#{instance}"


def webhook(instance: str, webhook: str) -> Key:
    return Key(f"WEBHOOKS#{instance}", f"WEBHOOK#{webhook}")


def deliveries_partition(webhook: str) -> str:
    return f"WEBHOOK#{webhook}"


def delivery(webhook: str, delivery: str) -> Key:
    return Key(f"WEBHOOK#{webhook}", f"DELIVERY#{delivery}")


def pending_partition(webhook: str) -> str:
    return f"WEBHOOK#{webhook}#PENDING"


def pending(webhook: str, moment: str, delivery: str) -> dict[str, str]:
    """The attributes of a delivery that is still to be made."""
    return {"i2pk": pending_partition(webhook), "i2sk": f"{moment}#{delivery}"}


def untold_partitions() -> tuple[str, ...]:
    return tuple(f"UNTOLD#{shard}" for shard in range(DUE_SHARDS))


def untold(moment: str, owner: str) -> dict[str, str]:
    """The attributes of a row that is its own outbox: until they are taken off, index 2 shows it as not yet told of."""
    shard = crc32(owner.encode()) % DUE_SHARDS
    return {"i2pk": f"UNTOLD#{shard}", "i2sk": f"{moment}#{owner}"}


def early_event(i2sk: str) -> Key:
    """Of a row that went, or began anew, before anybody was told of it: it has its place in index 2."""
    return Key(f"EVENT#{i2sk}", "EVENT")


def due_partitions(kind: str) -> tuple[str, ...]:
    return tuple(f"DUE#{kind}#{shard}" for shard in range(DUE_SHARDS))


def due(kind: str, moment: str, owner: str) -> dict[str, str]:
    """The attributes that put an item on the list of due work. `moment` as `kernel.moment.to_text` writes it."""
    shard = crc32(owner.encode()) % DUE_SHARDS
    return {"i1pk": f"DUE#{kind}#{shard}", "i1sk": f"{moment}#{owner}"}
