"""image-syncer's files, as people write them."""

from __future__ import annotations

import pytest

from chalicelib.kernel.errors import Invalid
from chalicelib.migration.documents import from_text, without_comments
from chalicelib.migration.files import Entrance, Entrances, read_entrances, read_rules
from chalicelib.migration.places import Place

DIGEST = "sha256:" + "1" * 64

# As the user guide prints it, §5.3.3.2.
GUIDE = """{
"registry-crs-huadong1.ctyun.cn": { // address of the personal instance
"username": "xxx", // its user
"password": "ab//cd" /* its
password */
},
"registry-huadong1.crs.ctyun.cn": {"username": "${WHO}", "password": "$SECRET"}
}"""


def entrances(text: str, name: str = "auth.json", **environment: str) -> Entrances:
    return read_entrances(from_text(text, "auth", name, yaml_too=True), environment)


def rules(text: str, name: str = "images.json", **environment: str) -> list[tuple[str, str]]:
    document = from_text(text, "images", name, yaml_too=True)
    return [(str(rule.source), str(rule.target)) for rule in read_rules(document, environment)]


def mistakes(text: str, name: str = "images.json") -> list[str]:
    with pytest.raises(Invalid) as refused:
        rules(text, name)
    return [message for _, message in refused.value.fields]


def test_the_guides_login_file_is_read_with_its_comments_and_variables() -> None:
    """K2"""
    read = entrances(GUIDE, WHO="me", SECRET="s3cret")
    assert read.of(Place.parse("registry-crs-huadong1.ctyun.cn/a/b")) == Entrance("xxx", "ab//cd")
    assert read.of(Place.parse("registry-huadong1.crs.ctyun.cn/a/b")) == Entrance("me", "s3cret")
    assert read.of(Place.parse("elsewhere.example/a/b")) == Entrance()


def test_the_longest_name_that_fits_says_the_login() -> None:
    """K2"""
    read = entrances('{"quay.io": {}, "quay.io/core": {"insecure": true}, "docker.io/library": {"insecure": true}}')
    assert read.of(Place.parse("quay.io/core/x")).insecure
    assert not read.of(Place.parse("quay.io/corex/x")).insecure
    assert read.of(Place.parse("nginx")).insecure


def test_a_user_whose_name_begins_with_a_dollar_keeps_it() -> None:
    """K2: there are registries whose user is called so."""
    read = entrances('{"nvcr.io": {"username": "$oauthtoken", "password": "a$b$$c"}}')
    assert read.of(Place.parse("nvcr.io/a/b")) == Entrance("$oauthtoken", "a$b$$c")


def test_yaml_says_the_same_as_json() -> None:
    """K2"""
    yaml = "a.example/x/y:\n  - b.example/x/y\n  - ${HOME_OF}/x/y # here\n"
    json = '{"a.example/x/y": ["b.example/x/y", "${HOME_OF}/x/y"]} // here'
    expected = [("a.example/x/y", "b.example/x/y"), ("a.example/x/y", "c.example/x/y")]
    assert rules(yaml, "images.yaml", HOME_OF="c.example") == expected
    assert rules(json, HOME_OF="c.example") == expected


def test_json_in_a_file_of_another_name_is_read_too() -> None:
    """K2"""
    assert rules('{ // all\n\t"a.example/x": "b.example/x/y"\n}', "images.txt") == [("a.example/x", "b.example/x/y")]


def test_every_mistake_is_told_at_once_with_file_line_and_entry() -> None:
    """K2"""
    text = """{
      "a.example/UPPER": "b.example/x/y",
      // the next one is right
      "a.example/right": "b.example/x/y",
      "a.example/tags:v1": "b.example/x/y:v1,v2",
      "a.example/none": [],
      "a.example/open:/(/": "b.example/x/y",
      "a.example/number": 3,
      "a.example/d@sha256:12": "b.example/x/y",
      "https://a.example/s": "b.example/x/y",
      "a.example/v": "${MISSING}/x"
    }"""
    told = mistakes(text)
    assert [one.split(": ")[0] for one in told] == [
        "images.json, line 2, 'a.example/UPPER'",
        "images.json, line 5, 'a.example/tags:v1'",
        "images.json, line 6, 'a.example/none'",
        "images.json, line 7, 'a.example/open:/(/'",
        "images.json, line 8, 'a.example/number'",
        "images.json, line 9, 'a.example/d@sha256:12'",
        "images.json, line 10, 'https://a.example/s'",
        "images.json, line 11, 'a.example/v'",
    ]
    assert "MISSING is not set" in told[-1]


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        ('{"a": 1, "a": 2}', "i.json", "i.json"),
        ("a.b/c: d.e/f\na.b/c: d.e/g\n", "i.yaml", "i.yaml, line 2"),
        ("{", "i.json", "i.json"),
        ("a: [\n", "i.yaml", "i.yaml, line 2"),
        ("- 1", "i.yaml", "i.yaml"),
        ("{}", "i.json", "i.json"),
        ("&a [*a, *a]: 3", "i.yaml", "i.yaml"),
    ],
)
def test_what_is_no_file_of_entries_is_refused_by_its_name(text: str, name: str, place: str) -> None:
    """K2"""
    assert mistakes(text, name)[0].startswith(place)


def test_logins_that_are_half_or_no_text_are_refused() -> None:
    """K2"""
    text = '{"a.b": {"username": "x"}, "b.c": {"username": 1, "password": 2}, "c.d": {"user": "x"}, "d.e": []}'
    with pytest.raises(Invalid) as refused:
        entrances(text)
    assert len(refused.value.fields) == 4


def test_a_service_gives_away_nothing_of_its_own_variables() -> None:
    """K2"""
    document = from_text('{"a.b": {"username": "x", "password": "${HOME}"}}', "auth")
    with pytest.raises(Invalid, match="HOME"):
        read_entrances(document, None)


def test_comments_inside_strings_are_no_comments() -> None:
    """K2"""
    assert without_comments('{"a//b": "/* c */"} // d') == '{"a//b": "/* c */"}     '


@pytest.mark.parametrize(
    ("text", "host", "repository"),
    [
        ("nginx", "", "nginx"),
        ("library/nginx:v1", "", "library/nginx"),
        ("127.0.0.1:300/library/nginx:v1,v2", "127.0.0.1:300", "library/nginx"),
        ("localhost/a", "localhost", "a"),
        ("gcr.io/a/github.com/b:/v[0-9]+/", "gcr.io", "a/github.com/b"),
        (f"gcr.io/a@{DIGEST}", "gcr.io", "a"),
    ],
)
def test_the_first_part_is_a_registry_where_it_looks_like_one(text: str, host: str, repository: str) -> None:
    """K2"""
    place = Place.parse(text)
    assert (place.host, place.repository) == (host, repository)
