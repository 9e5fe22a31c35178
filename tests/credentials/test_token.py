"""The token endpoint: GET, and OAuth2 POST."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from chalicelib.kernel.errors import Invalid, Throttled, Unauthenticated
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import Action
from chalicelib.ports import keys
from chalicelib.repositories.models import Repository, RepositoryEdit
from chalicelib.repositories.service import may
from tests.credentials.conftest import HOME, Desk, basic_header
from tests.stacks import make_instance

FORM = {"grant_type": "password", "service": "crs", "client_id": "docker", "username": "admin", "password": "secret"}


def get(desk: Desk, *scopes: str, authorization: str | None = basic_header(), **more: str) -> dict[str, str | int]:
    parameters = [("service", "crs"), *(("scope", scope) for scope in scopes), *more.items()]
    return desk.endpoint.answer(desk.instance, "GET", parameters, authorization, HOME)


def post(desk: Desk, **form: str) -> dict[str, str | int]:
    given = [(name, value) for name, value in {**FORM, **form}.items() if value]
    return desk.endpoint.answer(desk.instance, "POST", given, None, HOME)


def allows(desk: Desk, answer: dict[str, str | int], name: str, action: Action, *, missing: bool = False) -> bool:
    principal = desk.credentials.bearer(desk.instance, str(answer["token"]))
    repository = None if missing else desk.repositories.get(desk.instance.id, name)
    return may(principal, desk.instance, repository, name, action)


def make(desk: Desk, name: str) -> Repository:
    return desk.repositories.create(desk.instance, RepositoryName.parse(name), "private", "admin")


def test_an_answer_has_all_that_clients_look_for(desk: Desk) -> None:
    """R2: containerd keeps a token without `expires_in` for ever."""
    answer = get(desk, "repository:library/x:pull")
    assert answer["token"] == answer["access_token"]
    assert answer["expires_in"] == 300
    assert datetime.fromisoformat(str(answer["issued_at"])) == desk.clock.now()
    assert set(answer) == {"token", "access_token", "expires_in", "issued_at"}


def test_a_token_allows_what_was_asked_and_no_more(desk: Desk) -> None:
    """R2"""
    make(desk, "library/x")
    make(desk, "library/y")
    answer = get(desk, "repository:library/x:pull")
    assert allows(desk, answer, "library/x", Action.PULL)
    assert not allows(desk, answer, "library/x", Action.PUSH)
    assert not allows(desk, answer, "library/y", Action.PULL)


def test_asking_for_too_much_gives_what_may_be_had(desk: Desk) -> None:
    """R2"""
    make(desk, "library/x")
    asked = "repository:library/x:pull,push,delete repository:library/y:delete registry:catalog:* nonsense"
    answer = post(desk, scope=asked)
    assert answer["scope"] == "repository:library/x:pull,push,delete"


def test_a_repository_that_a_push_would_make_can_be_asked_for(desk: Desk) -> None:
    """R2, N1: and the token serves the repository once it is made."""
    answer = post(desk, scope="repository:library/new:pull,push,delete")
    assert answer["scope"] == "repository:library/new:pull,push"
    assert allows(desk, answer, "library/new", Action.PUSH, missing=True)
    desk.repositories.ensure(desk.instance, RepositoryName.parse("library/new"), "admin")
    assert allows(desk, answer, "library/new", Action.PULL)


def test_nobody_gets_what_public_repositories_allow(desk: Desk) -> None:
    """N3"""
    make(desk, "library/secret")
    desk.repositories.create(desk.instance, RepositoryName.parse("library/open"), "public", "admin")
    names = ("library/open", "library/secret", "library/new")
    answer = get(desk, *(f"repository:{name}:pull,push" for name in names), authorization=None, offline_token="true")
    assert "refresh_token" not in answer
    assert allows(desk, answer, "library/open", Action.PULL)
    assert not allows(desk, answer, "library/open", Action.PUSH)
    assert not allows(desk, answer, "library/secret", Action.PULL)
    desk.repositories.edit(desk.instance, "library/open", RepositoryEdit(visibility="private"))
    assert not allows(desk, answer, "library/open", Action.PULL)


@pytest.mark.parametrize("authorization", [basic_header(password="wrong"), basic_header("nobody"), "Basic x", "x"])
def test_a_wrong_password_is_an_error_and_not_an_anonymous_token(desk: Desk, authorization: str) -> None:
    """R2"""
    with pytest.raises(Unauthenticated):
        get(desk, authorization=authorization)


def test_a_token_does_not_fetch_the_next_one(desk: Desk) -> None:
    """R2: or it would never end."""
    token = get(desk, "repository:library/x:pull")["token"]
    with pytest.raises(Unauthenticated):
        get(desk, "repository:library/x:pull,push", authorization=f"Bearer {token}")


def test_the_endpoint_is_throttled_like_every_login(desk: Desk) -> None:
    """G3"""
    for number in range(10):
        with pytest.raises(Unauthenticated):
            get(desk, authorization=basic_header(password=f"wrong {number}"))
    for ask in (get, post):
        with pytest.raises(Throttled):
            ask(desk)


def test_a_post_answers_like_a_get_and_names_the_scope(desk: Desk) -> None:
    """R2: distribution's oauth document."""
    make(desk, "library/x")
    answer = post(desk, scope="repository:library/x:pull")
    assert set(answer) == {"token", "access_token", "expires_in", "issued_at", "scope"}
    assert answer["scope"] == "repository:library/x:pull"
    with pytest.raises(Unauthenticated):
        post(desk, password="wrong")


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ({"service": ""}, {"service"}),
        ({"client_id": "", "username": ""}, {"client_id", "username"}),
        ({"grant_type": ""}, {"grant_type"}),
        ({"grant_type": "client_credentials", "service": ""}, {"grant_type", "service"}),
        ({"grant_type": "refresh_token"}, {"refresh_token"}),
    ],
)
def test_what_a_post_lacks_is_named(desk: Desk, form: dict[str, str], fields: set[str]) -> None:
    """R2"""
    with pytest.raises(Invalid) as refused:
        post(desk, **form)
    assert {field for field, _ in refused.value.fields} == fields


def test_a_field_given_twice_is_refused_except_scopes(desk: Desk) -> None:
    """R2"""
    with pytest.raises(Invalid, match="username is given twice"):
        desk.endpoint.answer(desk.instance, "POST", [*FORM.items(), ("username", "other")], None, HOME)
    make(desk, "library/x")
    scopes = [("scope", "repository:library/x:pull"), ("scope", "repository:library/x:push")]
    answer = desk.endpoint.answer(desk.instance, "POST", [*FORM.items(), *scopes], None, HOME)
    assert answer["scope"] == "repository:library/x:pull,push"


def test_a_refresh_token_is_given_only_when_asked_for(desk: Desk) -> None:
    """R2"""
    assert "refresh_token" not in get(desk)
    assert "refresh_token" not in get(desk, offline_token="false")
    assert "refresh_token" not in post(desk, access_type="online")
    assert "refresh_token" in get(desk, offline_token="true")
    assert "refresh_token" in post(desk, access_type="offline")


def test_a_refresh_token_stands_for_the_password_until_that_changes(desk: Desk) -> None:
    """R2, G3"""
    make(desk, "library/x")
    kept = str(post(desk, access_type="offline")["refresh_token"])
    desk.clock.advance(29 * 86400)
    form = {"grant_type": "refresh_token", "refresh_token": kept, "username": "", "password": ""}
    answer = post(desk, **form, scope="repository:library/x:pull", access_type="offline")
    assert allows(desk, answer, "library/x", Action.PULL)
    assert answer["refresh_token"] == kept
    desk.credentials.reset_password(desk.instance.id, "admin", "new")
    with pytest.raises(Unauthenticated):
        post(desk, **form)


def test_a_refresh_token_ends_after_thirty_days(desk: Desk) -> None:
    """R2"""
    kept = str(post(desk, access_type="offline")["refresh_token"])
    desk.clock.advance(30 * 86400)
    with pytest.raises(Unauthenticated):
        post(desk, grant_type="refresh_token", refresh_token=kept)


def test_a_refresh_token_is_good_for_its_own_instance_alone(desk: Desk) -> None:
    """R2"""
    other = make_instance(desk.stack, "other")
    ours = desk.stack.table.get(keys.credential(desk.instance.id, "admin"))
    assert ours is not None
    desk.stack.table.put({**ours, **keys.credential(other.id, "admin")._asdict(), "instance_id": other.id})
    kept = str(post(desk, access_type="offline")["refresh_token"])
    with pytest.raises(Unauthenticated):
        desk.credentials.redeem(other, kept)
    assert desk.credentials.redeem(desk.instance, kept).name == "admin"


FORGERIES: dict[str, Callable[[str], str]] = {
    "another signature": lambda text: text[:-6] + "AAAAA=",
    "another claim": lambda text: "e30=." + text.partition(".")[2],
    "no signature": lambda text: text.partition(".")[0],
    "far too long": lambda text: text * 9,
    "no base 64": lambda _: "é.é",
    "nothing": lambda _: ".",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_refresh_token_is_refused(desk: Desk, forgery: str) -> None:
    """R2"""
    kept = str(post(desk, access_type="offline")["refresh_token"])
    with pytest.raises(Unauthenticated):
        post(desk, grant_type="refresh_token", refresh_token=FORGERIES[forgery](kept))


def test_an_access_token_is_no_refresh_token_nor_the_other_way_round(desk: Desk) -> None:
    """R2"""
    answer = post(desk, access_type="offline")
    with pytest.raises(Unauthenticated):
        post(desk, grant_type="refresh_token", refresh_token=str(answer["access_token"]))
    with pytest.raises(Unauthenticated):
        desk.credentials.bearer(desk.instance, str(answer["refresh_token"]))
