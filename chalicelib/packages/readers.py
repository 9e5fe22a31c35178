"""Every kind of file that tells of packages: one line a reader."""

from __future__ import annotations

from typing import Final

from .languages.readers import LANGUAGE_READERS
from .reading import Reader
from .systems.apk import Apk
from .systems.copyrights import Copyrights
from .systems.dpkg import Dpkg, DpkgFiles
from .systems.redhat import BuildFile, ContentSets
from .systems.releases import Releases
from .systems.rpm import Rpm, RpmManifest

READERS: Final[tuple[Reader, ...]] = (
    Releases(),
    Dpkg(),
    DpkgFiles(),
    Copyrights(),
    Apk(),
    Rpm(),
    RpmManifest(),
    ContentSets(),
    BuildFile(),
    *LANGUAGE_READERS,
)
