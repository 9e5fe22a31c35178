"""Bills of materials of packages of every kind, held to their formats (S4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.kernel.errors import Conflict
from chalicelib.packages.models import ImageInventory, Installed, LayerRef, OperatingSystem, Package
from chalicelib.ports.stack import Stack
from chalicelib.scanning import cyclonedx, spdx
from chalicelib.scanning.bills import Bill, bill_of, moment_of
from chalicelib.scanning.documents import Documents
from chalicelib.scanning.licences import expression
from chalicelib.scanning.models import Report, ReportLayer

from .test_documents import described, require_cyclonedx, require_spdx

LAYER = LayerRef(digest="sha256:" + "1" * 64, diff_id="sha256:" + "2" * 64)
CENTOS = OperatingSystem(family="centos", name="8")


def bill(
    *packages: Package, system: OperatingSystem | None = None, created: datetime | None = None, platform: str = ""
) -> Bill:
    inventory = ImageInventory(system=system, packages=tuple(Installed(package=one, layer=LAYER) for one in packages))
    report = Report(
        digest="sha256:" + "3" * 64,
        platform=platform,
        engine="",
        database="",
        database_updated_at="",
        scanned_at="",
        supported=True,
        examined=len(packages),
        end_of_life=False,
        layers=(ReportLayer(ref=LAYER, size=1),),
        inventory=inventory,
        findings=(),
    )
    return bill_of(report, "library/some/app", created)


def both(made: Bill) -> tuple[dict[str, Any], dict[str, Any]]:
    return require_cyclonedx(cyclonedx.document(made)), require_spdx(spdx.document(made))


def component(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in document["components"] if one["name"] == name]
    return dict(found)


def test_rpm_package_keeps_epoch_release_source_and_module() -> None:
    package = Package(
        type="centos", name="perl-libs", version="5.26.3", release="416.el8", epoch=4, arch="x86_64",
        source_name="perl", source_version="5.26.3", source_release="416.el8", source_epoch=4,
        modularity="perl:5.26:1", licenses=("GPLv2+ or Artistic",), maintainer="CentOS",
    )  # fmt: skip
    cyclone, spdx_bill = both(bill(package, system=CENTOS))
    told = component(cyclone, "perl-libs")
    properties = described(told["properties"])
    assert told["version"] == "4:5.26.3-416.el8"
    assert told["publisher"] == "CentOS"
    assert (properties["SrcVersion"], properties["SrcRelease"], properties["SrcEpoch"]) == ("5.26.3", "416.el8", "4")
    assert properties["Modularitylabel"] == "perl:5.26:1"
    (other,) = [one for one in spdx_bill["packages"] if one["name"] == "perl-libs"]
    assert other["sourceInfo"] == "built package from: perl 4:5.26.3-416.el8"
    assert other["supplier"] == "Organization: CentOS"


def test_package_installed_twice_stands_there_twice() -> None:
    one = Package(type="node-pkg", name="@babel/core", version="7.0.0", path="a/package.json")
    other = one.model_copy(update={"path": "b/package.json"})
    cyclone, spdx_bill = both(bill(one, other))
    assert [(part["group"], part["name"]) for part in cyclone["components"]] == [("@babel", "core")] * 2
    assert {described(part["properties"])["FilePath"] for part in cyclone["components"]} == {one.path, other.path}
    assert len(set(cyclone["dependencies"][0]["dependsOn"])) == 2
    assert len(spdx_bill["packages"]) == 3


def test_packages_of_one_file_hang_on_that_file() -> None:
    cyclone, spdx_bill = both(
        bill(
            Package(type="gobinary", name="stdlib", version="v1.22.0", path="usr/bin/app"),
            Package(type="gobinary", name="./local", version="", path="usr/bin/app"),
            Package(type="jar", name="org.example:library", version="1", path="app.jar"),
        )
    )
    inside = {one["ref"]: one["dependsOn"] for one in cyclone["dependencies"]}
    image = cyclone["metadata"]["component"]["bom-ref"]
    assert inside[image] == ["file-0", "pkg:maven/org.example/library@1"]
    assert inside["file-0"] == ["pkg:golang/stdlib@v1.22.0", "package-1"]
    assert (component(cyclone, "usr/bin/app")["type"], component(cyclone, "library")["group"]) == (
        "application",
        "org.example",
    )
    assert "purl" not in component(cyclone, "./local")
    assert [one["name"] for one in spdx_bill["packages"]][1] == "usr/bin/app"


@pytest.mark.parametrize(
    ("licences", "in_cyclonedx", "in_spdx"),
    [
        ((), None, "NOASSERTION"),
        (("mit",), [{"license": {"id": "MIT"}}], "MIT"),
        (("MIT OR Apache-2.0",), [{"expression": "MIT OR Apache-2.0"}], "MIT OR Apache-2.0"),
        (
            ("MIT", "MIT or ISC"),
            [{"license": {"id": "MIT"}}, {"license": {"name": "MIT or ISC"}}],
            "MIT AND (MIT OR ISC)",
        ),
    ],
)
def test_licences_are_told_as_each_format_has_them(licences: Sequence[str], in_cyclonedx: object, in_spdx: str) -> None:
    cyclone, spdx_bill = both(bill(Package(type="python-pkg", name="a", version="1", licenses=tuple(licences))))
    assert component(cyclone, "a").get("licenses") == in_cyclonedx
    assert spdx_bill["packages"][1]["licenseDeclared"] == in_spdx


def test_licence_that_no_list_knows_is_told_as_a_text() -> None:
    strange = 'Do "what" you like (all of it'
    cyclone, spdx_bill = both(bill(Package(type="python-pkg", name="a", version="1", licenses=(strange,))))
    assert component(cyclone, "a")["licenses"] == [{"license": {"name": strange}}]
    (text,) = spdx_bill["hasExtractedLicensingInfos"]
    assert text["extractedText"] == strange
    assert spdx_bill["packages"][1]["licenseDeclared"] == text["licenseId"]


@pytest.mark.parametrize("text", ["", "MIT AND", "MIT ISC", "(MIT", "MIT)", "GPL-2.0 WITH x", "OR MIT", "()", "Ours"])
def test_what_is_no_expression_of_known_licences_is_not_taken_for_one(text: str) -> None:
    assert expression(text) == ""


def test_expression_is_written_in_the_letters_of_the_list() -> None:
    assert expression("( mit or apache-2.0 ) and gpl-2.0-or-later") == "(MIT OR Apache-2.0) AND GPL-2.0-or-later"


def test_documents_say_when_the_image_was_built_and_not_when_they_were_made() -> None:
    built = moment_of("2025-12-01T10:00:00.123456789Z")
    assert built == datetime(2025, 12, 1, 10, tzinfo=UTC)
    cyclone, spdx_bill = both(bill(created=built, platform="linux/arm64/v8"))
    assert cyclone["metadata"]["timestamp"] == spdx_bill["creationInfo"]["created"] == "2025-12-01T10:00:00Z"
    assert cyclone["metadata"]["component"]["purl"].endswith("?arch=arm64")
    cyclone, spdx_bill = both(bill())
    assert "timestamp" not in cyclone["metadata"]
    assert spdx_bill["creationInfo"]["created"] == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize("told", [None, 17, "", "yesterday", "0001-01-01T00:00:00+23:00", "0001-01-01T00:00:00Z"])
def test_image_that_says_nothing_sensible_of_its_making_has_no_moment(told: object) -> None:
    assert moment_of(told) is None


def test_texts_of_strangers_stay_texts() -> None:
    evil = 'a"b\\c\n<script>\u2028'
    made = bill(Package(type="python-pkg", name=evil, version="1", path=evil, maintainer=evil, licenses=(evil,)))
    cyclone = json.loads(cyclonedx.document(made))
    assert cyclone["components"][0]["name"] == evil
    assert json.loads(spdx.document(made))["packages"][1]["name"] == evil


def test_document_that_no_answer_carries_is_refused_with_where_to_find_it(stack: Stack) -> None:
    many = (Package(type="python-pkg", name=f"package-{number}", version="1" * 300) for number in range(4500))
    with pytest.raises(Conflict, match="pull it from the registry"):
        Documents(stack).download_bill(bill(*many), "cyclonedx")
