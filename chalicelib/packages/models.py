"""What is installed: as one layer tells it, and as an image made of layers has it.

    layer 1 ─► LayerInventory ─┐
    layer 2 ─► LayerInventory ─┴─► merge (whiteouts, files written over) ─► ImageInventory

Names of families, types and fields follow Trivy's report (schema version 2), which users of scanners know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, Field

from chalicelib.kernel.modelling import KEPT

# Raised when more is found in a layer than before: layers are then read once more.
INVENTORY_VERSION: Final = 1


class Record(BaseModel):
    model_config = KEPT


class OperatingSystem(Record):
    """family: `debian`, `ubuntu`, `alpine`, `redhat`, `centos`, `rocky`, `alma`, `amazon`, `oracle`, `photon`,
    `cbl-mariner`, `azurelinux`, `opensuse-leap`, `opensuse-tumbleweed`, `sles` and `slem` (SUSE), `wolfi`,
    `chainguard`, or what os-release says of one that nobody supports. name: its version, `10.1`, `3.19.0`, `2 (Karoo)`.

    stream    of Alpine: the highest release in etc/apk/repositories, `3.19` or `edge`; "" where it says none
    extended  of Ubuntu: security updates for longer are switched on; the advisories are those of `22.04-ESM`
    """

    family: str
    name: str
    stream: str = ""
    extended: bool = False


class Package(Record):
    """One installed package.

    type          how it was installed: the system's family for packages of the system, else `python-pkg`, `node-pkg`,
                  `jar`, `gobinary`, `rustbinary`, `gemspec`, `composer-vendor`, `dotnet-core`, `conda-pkg`; of files
                  that scanners count too, `cargo`, `nuget`, `packages-props`; of bills of materials, `composer` and
                  `bitnami` on top
    version       of a system package without epoch and release, which stand apart for rpm; dpkg and apk have it whole
    source_…      of the source package that it was built from; "" for languages
    third_party   installed by the system's manager, but not by the system's makers: no advisory of theirs is about it
    modularity    rpm's modularity label, "" for none
    path          of the file that names it, where that is one of its own: a jar, a METADATA, a binary. A jar inside
                  another one: `outer.jar/inner.jar`
    build         of Red Hat's images: `content_sets` joined by commas, or `nvr` and `arch`
    """

    type: str
    name: str
    version: str
    epoch: int = 0
    release: str = ""
    arch: str = ""
    source_name: str = ""
    source_version: str = ""
    source_epoch: int = 0
    source_release: str = ""
    modularity: str = ""
    licenses: tuple[str, ...] = ()
    maintainer: str = ""
    third_party: bool = False
    path: str = ""
    build: Mapping[str, str] = Field(default_factory=dict)


class Found(Record):
    """What one file of a layer told.

    path      of the file: one that is written over, or whited out, takes what it told along
    reader    which reader it was: `dpkg`, `apk`, `rpm`, `python` …
    facts     of files that name no packages: os-release's fields, Alpine's repositories, Red Hat's content sets
    owned     a package of the system, in the same layer, says that the file is its own: what it names is no library of
              the image's makers
    """

    path: str
    reader: str
    packages: tuple[Package, ...] = ()
    facts: Mapping[str, str] = Field(default_factory=dict)
    owned: bool = False


class LayerInventory(Record):
    """
    whiteouts   paths that it deletes from the layers below (without `.wh.`); opaque: folders whose content it deletes
    replaced    paths it writes, other than those of `found`, that a reader would have read in a layer below: what they
                told there is gone
    problems    files that a reader could not make sense of: path → what was wrong. The rest counts all the same
    entries, size   of the layer: entries, and bytes uncompressed
    """

    version: int = INVENTORY_VERSION
    found: tuple[Found, ...] = ()
    whiteouts: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    problems: Mapping[str, str] = Field(default_factory=dict)
    entries: int = 0
    size: int = 0


class LayerRef(Record):
    """diff_id: digest of the layer uncompressed, from the image's config; "" where that does not say."""

    digest: str
    diff_id: str = ""


class Installed(Record):
    """A package, and where the image has it from: the layer that brought this version of it first."""

    package: Package
    layer: LayerRef


class ImageInventory(Record):
    """
    system      None where no layer says
    packages    by type, name, version and path
    problems    of all layers, as far as their files are still there
    """

    version: int = INVENTORY_VERSION
    system: OperatingSystem | None = None
    packages: tuple[Installed, ...] = ()
    problems: Mapping[str, str] = Field(default_factory=dict)
