"""One image from a source to a target.

    what the tag points to now ─► what of it is missing ─► blobs, several at once ─► manifests, each after what it needs
        ─► last the tag, on condition ─► its companion ─► has the source's tag moved meanwhile? once more

Nothing is published that is not whole. What moved stays, whatever happens then, and is not moved again. Whoever brings
a tag brings what it points to, and looks again once it is there: so of several that overtake each other the last one
leaves the newest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chalicelib.edge.log import logger
from chalicelib.kernel.errors import ManifestBlobUnknown, NotFound, PullBlocked, Refused, TagReserved, Unavailable
from chalicelib.kernel.names import Digest, TagName

from .contents import contents
from .ends import Source, Target
from .gathering import Needed
from .models import Effort, Interrupted, Manifest, Outcome, Progress, Standing, Verdict
from .moving import Moving, OutOfTime

# How often a tag may move at the source under one copy; one that moves on is brought by whoever copies it next.
MOST_ROUNDS: Final = 5
_GOES_ALONG: Final = "it goes with its original"


class Copier:
    def __init__(self, source: Source, target: Target, effort: Effort) -> None:
        self._source = source
        self._target = target
        self._effort = effort

    def copy(
        self, reference: str, tag: str, *, override: bool, referrers: bool = True, progress: Progress | None = None
    ) -> Outcome:
        """What became of it; whatever either end refuses is an outcome too.

        reference   tag or digest at the source; tag: its name at the target, "" to bring it by digest alone
        override    an existing tag with another digest is replaced
        referrers   signatures, bills of materials and the like go along
        progress    of an earlier copy that was not finished
        Raises Interrupted where an end does not answer.
        """
        moving = Moving(self._source, self._target, self._effort, progress or Progress())
        copying = _Copying(self._source, self._target, moving, tag, override, referrers)
        try:
            return copying.outcome(reference)
        except OutOfTime:
            return copying.ended("unfinished", progress=moving.progress)
        except PullBlocked as blocked:
            return copying.ended("blocked", blocked)
        except TagReserved as reserved:
            return copying.ended("left", reserved)
        except Unavailable as unavailable:
            raise Interrupted(unavailable, moving.progress) from unavailable
        except Refused as refused:
            return copying.ended("failed", refused)


class _Overtaken(Exception):
    """The target's tag moved since it was looked at: whoever moved it may have brought what is newer."""


@dataclass(slots=True)
class _Copying:
    """digest: what the source's tag was seen at last; pushed: what of it this very copy put under the target's."""

    source: Source
    target: Target
    moving: Moving
    tag: str
    override: bool
    referrers: bool
    digest: str = ""
    pushed: Digest | None = None

    def ended(self, verdict: Verdict, why: Refused | None = None, progress: Progress | None = None) -> Outcome:
        reason, message = (why.code.lower(), why.message) if why is not None else ("", "")
        moved, skipped = self.moving.moved, self.moving.skipped
        return Outcome(verdict, self.digest, moved, skipped, reason, message, progress)

    def outcome(self, reference: str) -> Outcome:
        if self._is_companion(reference):
            return Outcome("left", reason="companion", message=_GOES_ALONG)
        # What an earlier attempt of this very copy pushed was not there before.
        verdict: Verdict = "copied" if self.moving.whole else "unchanged"
        manifest = self.source.manifest(reference)
        for _ in range(MOST_ROUNDS):
            self.digest = manifest.digest
            try:
                became = self._bring_whole(manifest)
            except _Overtaken:
                manifest = self._now(reference, manifest)
                continue
            if became is not None and became.verdict == "left":
                return became
            came = self._bring_companion(reference, manifest)
            verdict = "copied" if became is None or came else verdict
            if verdict == "unchanged" or reference == manifest.digest:
                return self.ended(verdict)
            now = self._now(reference, manifest)
            if now.digest == manifest.digest:
                return self.ended(verdict)
            manifest = now
        return self.ended("unfinished", progress=self.moving.progress)

    def _now(self, reference: str, before: Manifest) -> Manifest:
        """A tag that was deleted meanwhile points where it did: deletions go nowhere by themselves."""
        try:
            return self.source.manifest(reference)
        except NotFound:
            return before

    # One image

    def _bring_whole(self, manifest: Manifest) -> Outcome | None:
        """What was there stays a day for its manifest to come. Whoever slept longer brings once more what is gone."""
        try:
            return self._bring(manifest)
        except ManifestBlobUnknown:
            return self._bring(manifest)

    def _bring(self, manifest: Manifest) -> Outcome | None:
        """None: it is at the target now, and was not. Raises OutOfTime."""
        standing = self.target.standing(self.tag) if self.tag else None
        stands = standing is not None and _is(standing.digest, manifest)
        if standing is not None and not stands and not self._may_replace(standing):
            return self._left(standing)
        here = stands or self.target.holds(manifest.digest)
        needed = self.moving.gathering(referrers=self.referrers).needed(manifest, here=here)
        self.moving.whole = max(self.moving.whole, sum(needed.blobs.values()))
        if not needed.order and (stands or not self.tag):
            # What it is made of did not have to move.
            self.moving.whole += sum(contents(manifest).blobs.values())
            return self.ended("unchanged")
        self.moving.bring(needed.blobs)
        return self._publish(manifest, needed, standing, stands=stands)

    def _publish(
        self, manifest: Manifest, needed: Needed, standing: Standing | None, *, stands: bool
    ) -> Outcome | None:
        """The tag comes last, with the manifest itself where nothing is to be pushed behind it."""
        tagged = bool(self.tag) and not stands
        for digest in needed.order:
            if tagged and digest == manifest.digest == needed.order[-1]:
                continue
            if not self.moving.go_on():
                raise OutOfTime
            self.target.push(needed.manifest(digest, self.source), "", None, override=True)
        if not tagged:
            return None
        if self.target.push(manifest, self.tag, standing, override=self.override):
            self.pushed = manifest.digest
            return None
        now = self.target.standing(self.tag)
        if now is not None and _is(now.digest, manifest):
            return None
        if self.override:
            raise _Overtaken
        return self._left(now)

    def _may_replace(self, standing: Standing) -> bool:
        """What this very copy put there is no work of others."""
        return self.override or standing.digest == self.pushed

    def _left(self, standing: Standing | None) -> Outcome:
        has = f"points to {standing.digest}" if standing is not None else "was deleted meanwhile"
        message = f"tag {self.tag} of the target {has} and is not to be replaced"
        moved, skipped = self.moving.moved, self.moving.skipped
        return Outcome("left", self.digest, moved, skipped, "tag_exists", message)

    # Its companion

    def _is_companion(self, reference: str) -> bool:
        if not TagName.fits(reference):
            return False
        original = TagName(reference).original
        return original != reference and self.source.companion(original) is not None

    def _bring_companion(self, reference: str, original: Manifest) -> bool:
        """Whether it came. That of what the source's tag points to now, which may be another than was brought; then the
        target does not take it."""
        if not self.tag or reference == original.digest or not TagName.fits(TagName(self.tag).accelerated):
            return False
        companion = self.source.companion(reference)
        if companion is None or not self.target.wants(companion, self.tag, original.digest):
            return False
        try:
            manifest = self.source.manifest(companion)
            here = self.target.holds(companion)
            needed = self.moving.gathering(referrers=False).needed(manifest, here=here)
            self.moving.whole += sum(needed.blobs.values())
            self.moving.bring(needed.blobs)
            for digest in needed.order:
                if digest != companion:
                    self.target.push(needed.manifest(digest, self.source), "", None, override=True)
            return self.target.accelerate(manifest, self.tag, original.digest)
        except Unavailable:
            raise
        except Refused as refused:
            # The original is there all the same, and is converted there if that is wanted.
            logger.info("companion was not brought", digest=companion, reason=refused.code.lower())
            return False


def _is(digest: Digest, manifest: Manifest) -> bool:
    """Registries name a manifest by the algorithm that they like."""
    return digest == manifest.digest or digest == Digest.of(manifest.body, digest.algorithm)
