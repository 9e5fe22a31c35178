"""Bills of materials that images carry."""

from __future__ import annotations

import json

from chalicelib.packages.languages.materials import MaterialsReader
from chalicelib.packages.purls import purl

from .made import MadeEntry, names, told


def test_what_pip_brings_along_counts() -> None:
    """S3: since version 25 pip says what it has inside; scanners report it."""
    document = {
        "bomFormat": "CycloneDX",
        "components": [
            {"type": "library", "name": "pip"},
            {"type": "library", "name": "CacheControl", "version": "1", "purl": "pkg:pypi/cachecontrol@0.14.4"},
            {"type": "library", "group": "@babel", "name": "core", "purl": "pkg:npm/%40babel/core@7.0.0"},
            {"type": "framework", "name": "Core", "purl": "pkg:maven/org.example/core@2%2B1?type=jar"},
            {"type": "library", "name": "bash", "purl": "pkg:deb/debian/bash@5.0"},
            {"type": "device", "name": "x", "purl": "pkg:pypi/x@1"},
        ],
    }
    path = "usr/lib/python3/site-packages/pip/_vendor/bom.cdx.json"
    result = told(MaterialsReader(), path, json.dumps(document))
    assert names(result) == [("CacheControl", "0.14.4"), ("@babel/core", "7.0.0"), ("org.example:core", "2+1")]
    assert [each.type for each in result.packages] == ["python-pkg", "node-pkg", "jar"]
    assert {each.path for each in result.packages} == {path}


def test_bitnamis_packages_lie_in_the_folders_they_are_about() -> None:
    """S3."""
    document = {
        "SPDXID": "SPDXRef-DOCUMENT",
        "packages": [
            {
                "SPDXID": "SPDXRef-1",
                "name": "redis",
                "licenseDeclared": "BSD-3-Clause",
                "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:bitnami/redis@7.0.1-0?arch=amd64"}],
            },
            {
                "SPDXID": "SPDXRef-2",
                "name": "apm",
                "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:maven/co.elastic/apm@1.36.0"}],
            },
        ],
        "files": [{"SPDXID": "SPDXRef-File-1", "fileName": "modules/apm.jar"}],
        "relationships": [
            {"spdxElementId": "SPDXRef-2", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-File-1"}
        ],
    }
    result = told(MaterialsReader(), "opt/bitnami/redis/.spdx-redis.spdx", json.dumps(document))
    assert [(each.type, each.name, each.version, each.path) for each in result.packages] == [
        ("bitnami", "redis", "7.0.1-0", "opt/bitnami/redis"),
        ("jar", "co.elastic:apm", "1.36.0", "opt/bitnami/redis/modules/apm.jar"),
    ]
    assert purl(result.packages[0], None) == "pkg:bitnami/redis@7.0.1-0"


def test_spdx_is_read_line_by_line_too() -> None:
    text = "SPDXVersion: SPDX-2.3\nPackageName: Flask\nExternalRef: PACKAGE-MANAGER purl pkg:pypi/flask@2.0\n"
    assert names(told(MaterialsReader(), "srv/app.spdx", text)) == [("Flask", "2.0")]


def test_bills_of_wheels_themselves_and_other_json_are_nobodys() -> None:
    assert not MaterialsReader().wants(MadeEntry("x/a.dist-info/sboms/a.cdx.json", b""))
    assert names(told(MaterialsReader(), "srv/licence.spdx.json", "{}")) == []
