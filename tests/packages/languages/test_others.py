"""Ruby, PHP, .NET, and lock files that scanners count in images."""

from __future__ import annotations

import json

import pytest

from chalicelib.packages.languages.cargo import CargoReader
from chalicelib.packages.languages.dotnet import DependenciesReader, NugetReader, PropertiesReader
from chalicelib.packages.languages.php import ComposerReader
from chalicelib.packages.languages.ruby import RubyReader
from chalicelib.packages.purls import purl
from chalicelib.packages.reading import Reader, Unreadable
from tests.shared import trivy_fixtures

from .made import MadeEntry, names, told

_GEM = "usr/lib/ruby/gems/3.1.0/specifications/default/rake-13.0.6.gemspec"


def test_gems_are_found_by_their_specifications() -> None:
    """S3."""
    text = """
Gem::Specification.new do |s|
  s.name = "rake".freeze
  s.version = "13.0.6"
  s.licenses = ["MIT".freeze, "Ruby".freeze]
end
"""
    result = told(RubyReader(), _GEM, text)
    assert [(each.type, each.licenses) for each in result.packages] == [("gemspec", ("MIT", "Ruby"))]
    assert names(result) == [("rake", "13.0.6")]
    assert not RubyReader().wants(MadeEntry("srv/rake.gemspec", b""))


def test_specifications_that_compute_their_version_are_a_problem() -> None:
    with pytest.raises(Unreadable, match="names no gem"):
        told(RubyReader(), _GEM, "Gem::Specification.new do |s|\n  s.name = 'rake'\nend\n")


def test_composer_lists_what_it_installed_but_for_development() -> None:
    """S3."""
    listed = {
        "packages": [
            {"name": "guzzlehttp/psr7", "version": "1.8.3", "license": ["MIT"]},
            {"name": "b/c", "version": "v1"},
        ],
        "packages-dev": [{"name": "phpunit/phpunit", "version": "9.0.0"}],
    }
    result = told(ComposerReader(), "app/vendor/composer/installed.json", json.dumps(listed))
    assert sorted(names(result)) == [("b/c", "v1"), ("guzzlehttp/psr7", "1.8.3")]
    with pytest.raises(Unreadable):
        told(ComposerReader(), "vendor/composer/installed.json", "[]")


def test_published_programs_list_what_they_need_at_run_time() -> None:
    """S3: what only the compiler needed is left out, the runtime itself has its usual name."""
    document = {
        "runtimeTarget": {"name": "net6"},
        "targets": {
            "net6": {
                "App/1.0.0": {"dependencies": {"Newtonsoft.Json": "9.0.1"}, "runtime": {"App.dll": {}}},
                "Newtonsoft.Json/9.0.1": {"runtime": {"lib/Newtonsoft.Json.dll": {}}},
                "StyleCop/1.1.0": {},
                "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1": {"native": {"libclrjit.so": {}}},
            }
        },
        "libraries": {
            "App/1.0.0": {"type": "project"},
            "Newtonsoft.Json/9.0.1": {"type": "package"},
            "StyleCop/1.1.0": {"type": "package"},
            "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1": {"type": "runtimepack"},
            "Elsewhere/2.0.0": {"type": "package"},
            "System/4.0.0": {"type": "referenceassembly"},
            "NoVersion": {"type": "package"},
        },
    }
    result = told(DependenciesReader(), "app/App.deps.json", json.dumps(document))
    assert names(result) == [
        ("App", "1.0.0"),
        ("Newtonsoft.Json", "9.0.1"),
        ("Microsoft.NETCore.App.Runtime.linux-x64", "6.0.1"),
        ("Elsewhere", "2.0.0"),
    ]
    del document["targets"]
    assert ("StyleCop", "1.1.0") in names(told(DependenciesReader(), "app/App.deps.json", json.dumps(document)))


def test_packages_of_nuget_are_listed_once_for_all_targets() -> None:
    package = {"type": "Direct", "resolved": "12.0.3"}
    document = {
        "version": 1,
        "dependencies": {"net5": {"Json": package, "Own": {"type": "Project"}}, "net6": {"Json": package}},
    }
    assert names(told(NugetReader(), "src/packages.lock.json", json.dumps(document))) == [("Json", "12.0.3")]
    configured = """<?xml version="1.0"?><packages><package id="A" version="1"/>
        <package id="B" version="2" developmentDependency="true"/></packages>"""
    assert names(told(NugetReader(), "src/packages.config", configured)) == [("A", "1")]


def test_versions_for_all_projects_are_read_but_for_variables() -> None:
    document = """<Project><ItemGroup><PackageVersion Include=" A " Version="1.0"/>
        <PackageReference Update="B" Version="2.0"/><PackageVersion Include="C" Version="$(Version)"/>
        </ItemGroup></Project>"""
    assert names(told(PropertiesReader(), "src/Directory.Packages.props", document)) == [("A", "1.0"), ("B", "2.0")]


@pytest.mark.parametrize("document", ["", "<packages>", '<!DOCTYPE a [<!ENTITY b "c">]><packages/>', "<a>" * 100_000])
def test_broken_and_dangerous_xml_is_a_problem(document: str) -> None:
    with pytest.raises(Unreadable):
        told(NugetReader(), "src/packages.config", document)


def test_crates_of_a_lock_file_are_listed() -> None:
    text = """version = 3

[[package]]
name = "libc"
version = "0.2.54"

[[package]]
name = "url" # here
version = '1'

[metadata]
name = "no"
"""
    assert names(told(CargoReader(), "app/Cargo.lock", text)) == [("libc", "0.2.54"), ("url", "1")]
    with pytest.raises(Unreadable):
        told(CargoReader(), "app/Cargo.lock", "[[package]]\nname = libc\n")


@pytest.mark.parametrize(
    ("report", "reader", "path"),
    [
        ("composer.vendor", ComposerReader(), "installed.json"),
        ("dotnet", DependenciesReader(), "datacollector.deps.json"),
        ("cargo.lock", CargoReader(), "Cargo.lock"),
        ("nuget", NugetReader(), "packages.lock.json"),
        ("packagesprops", PropertiesReader(), "Directory.Packages.props"),
    ],
)
def test_files_rebuilt_from_reports_give_their_packages_again(report: str, reader: Reader, path: str) -> None:
    """S3: types, names, versions and package URLs as Trivy reports them."""
    [result] = json.loads((trivy_fixtures() / "reports" / f"{report}.json").read_text())["Results"]
    expected = [(each["Name"], each["Version"]) for each in result["Packages"]]
    found = told(reader, path, _rebuilt(path, expected)).packages
    assert {(each.type, each.name, each.version, purl(each, None)) for each in found} == {
        (result["Type"], each["Name"], each["Version"], each["Identifier"]["PURL"]) for each in result["Packages"]
    }


def _rebuilt(path: str, packages: list[tuple[str, str]]) -> str:
    if path == "installed.json":
        return json.dumps({"packages": [{"name": name, "version": version} for name, version in packages]})
    if path == "packages.lock.json":
        listed = {name: {"type": "Direct", "resolved": version} for name, version in packages}
        return json.dumps({"dependencies": {"net": listed}})
    if path == "Cargo.lock":
        return "".join(f'[[package]]\nname = "{name}"\nversion = "{version}"\n\n' for name, version in packages)
    if path.endswith(".props"):
        lines = "".join(f'<PackageVersion Include="{name}" Version="{version}"/>' for name, version in packages)
        return f"<Project><ItemGroup>{lines}</ItemGroup></Project>"
    return json.dumps({"libraries": {f"{name}/{version}": {"type": "package"} for name, version in packages}})
