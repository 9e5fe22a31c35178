"""The copies of a namespace's policy and one tag under it, and what must hold of them; immutability.py acts on them."""

from typing import NamedTuple

from .explore import Invariant


class Rules(NamedTuple):
    """One switch per mechanism; the registry has all of them on."""

    move_checks_policy: bool = True
    delete_checks_policy: bool = True
    verdict_in_loop: bool = True
    unread_refuses: bool = True
    same_digest_as_seen: bool = True
    put_if_absent: bool = True
    restore_if_absent: bool = True
    edit_as_seen: bool = True
    edit_raises_version: bool = True
    edit_whole: bool = True
    versions_never_repeat: bool = True


class Copy(NamedTuple):
    """version: 0 where there is no row. rule: the rule over the tag is enabled. other: a rule over something else."""

    version: int = 0
    rule: bool = False
    other: bool = False


class Tag(NamedTuple):
    digest: str
    push: int


class World(NamedTuple):
    """
    copies     what editors read is the first, the tag is judged by the second
    entry      the digest of the bin entry that the tag left behind, "" for none
    promised   the rule was answered for as enabled, and nobody has begun to disable it since: history
    disabling  how many have begun to disable it and were not answered yet: history
    moved      a tag got another digest, or none, while that was promised: history
    """

    copies: tuple[Copy, Copy] = (Copy(), Copy())
    tag: Tag | None = None
    pushes: int = 1
    entry: str = ""
    promised: bool = False
    disabling: int = 0
    moved: bool = False

    def tagged(self, digest: str) -> "World":
        moved = self.tag is not None and self.tag.digest != digest and self.promised
        push = self.pushes + 1
        return self._replace(tag=Tag(digest, push), pushes=push, moved=self.moved or moved)

    def untagged(self) -> "World":
        left = self.tag.digest if self.tag else ""
        return self._replace(tag=None, entry=left, moved=self.moved or self.promised)


PUSHED = World(tag=Tag("A", 1))
RULED = PUSHED._replace(copies=(Copy(1), Copy(1)))

INVARIANTS: dict[str, Invariant] = {
    "a tag under an enabled rule keeps its digest": lambda world: not world.moved,
}
