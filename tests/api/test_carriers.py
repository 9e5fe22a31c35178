"""What carriers could do differently, and do not: escapes in paths, bodies, repeated parameters, replays, ids."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.kernel.roles import Role
from tests.management import PASSWORD, Api

from .world import World, fresh


@pytest.fixture
def owner(world: World) -> Api:
    return world.carried(world.people[Role.OWNER])


def test_a_segment_is_decoded_once_and_stays_one_segment(owner: Api) -> None:
    name = f"{fresh('ann')}@example.com"
    assert owner.post("/users", {"username": name, "password": PASSWORD, "role": "reader"}).status == 201
    assert owner.get(f"/users/{name.replace('@', '%40')}").json()["username"] == name
    for other in (name.replace("@", "%2540"), name.replace("@", "%2F"), f"{name}%2Fmore", f"{name}%00"):
        assert owner.get(f"/users/{other}").status == 404


@pytest.mark.parametrize("part", ["%zz", "%", "%f", "%ff"])
def test_a_segment_that_is_not_well_encoded_is_refused(owner: Api, part: str) -> None:
    assert owner.get(f"/users/{part}").code == "INVALID"


def test_a_parameter_given_twice_is_refused_by_its_name(owner: Api) -> None:
    answer = owner.send("GET", "/users", None, {"limit": [1, 2]})
    assert [one["field"] for one in answer.json()["errors"]] == ["limit"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"remark": "a", "remark": "b"}', b'{"remark": NaN}', b"{} {}"])
def test_a_body_that_is_no_json_object_is_refused(owner: Api, body: bytes) -> None:
    answer = owner.post("/access-keys", body)
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "body")


def test_text_arrives_as_it_was_sent(owner: Api) -> None:
    remark = "für 开发 “x” \\"
    assert owner.post("/access-keys", {"remark": remark}).json()["remark"] == remark


def test_a_replay_is_answered_again_and_says_so(owner: Api) -> None:
    body = {"username": fresh("bob"), "password": PASSWORD, "role": "reader"}
    caller = replace(owner, headers={"idempotency-key": fresh("key")})
    first, again = caller.post("/users", body), caller.post("/users", body)
    assert (first.status, again.status, again.text) == (201, 201, first.text)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_every_answer_has_a_request_id_of_its_own_whatever_the_client_sends(owner: Api) -> None:
    sent = "01J00000000000000000000000"
    caller = replace(owner, headers={"x-request-id": sent})
    ids = {caller.get("/me").headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3
    assert sent not in ids


def test_who_has_not_signed_in_is_told_to(owner: Api) -> None:
    answer = replace(owner, token="").get("/me")
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_links_lead_to_where_the_client_asked(world: World, owner: Api) -> None:
    made = owner.post(f"{world.home.path}/namespaces", {"name": fresh("space")})
    assert owner.get(made.headers["Location"].removeprefix("/api/v1")).json() == made.json()
