"""H1, R5, G2: who sees what of the classic repository, and what stays hidden."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chalicelib.access.service import Access
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.roles import Role
from chalicelib.repositories.models import RepositoryEdit
from chalicelib.repositories.service import Repositories
from tests.management import Api
from tests.registry.images import push_manifest
from tests.registry.library import Library
from tests.registry.wire import LOGIN, Wire, exchange
from tests.stacks import make_instance, make_namespace

from .making import Chart, put_chart, put_over

LIBRARY, OPEN, NONE = (f"/charts/default/{name}/" for name in ("library", "open", "none"))


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """`library`, private, with nginx, and redis made public; `open`, public, with web; `empty`."""
    served = Wire(tmp_path_factory.mktemp("rights"), edition="enterprise", internal_port=5999)
    for name, folder in (("nginx", "library"), ("redis", "library"), ("web", "open")):
        put_over(served, Chart(name=name), folder)
    made = Repositories(served.stack)
    made.edit(served.instance, RepositoryName("library/redis"), RepositoryEdit(visibility="public"))
    make_namespace(served.stack, served.instance, "empty")
    make_namespace(served.stack, served.instance, "closed")
    put_over(served, Chart(), "closed")
    yield served
    served.close()


def charts(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return list(answer.json()["entries"])


def told(answer: httpx.Response) -> tuple[int, str, str]:
    """All that an answer tells but the request's own id."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, answer.text, str(headers)


def robot(wire: Wire, namespace: str, repository: str = "**") -> tuple[str, str]:
    api = Api.signed_in(wire.stack)
    permission = {"namespaces": namespace, "repositories": repository, "actions": ["pull"]}
    name = f"robot-{namespace.strip('*')}-{repository.strip('*')}"
    made = api.post("/instances/default/credentials", {"username": name, "permissions": [permission]})
    assert made.status == 201, made.text
    return made.json()["username"], made.json()["password"]


def test_nobody_sees_public_charts_and_the_instance_s_own_all_of_them(wire: Wire) -> None:
    """H1"""
    assert charts(wire.ask("GET", f"{OPEN}index.yaml", login=None)) == ["web"]
    assert charts(wire.ask("GET", f"{LIBRARY}index.yaml", login=None)) == ["redis"]
    assert charts(wire.ask("GET", f"{LIBRARY}index.yaml")) == ["nginx", "redis"]
    assert wire.ask("GET", f"{LIBRARY}redis-1.0.0.tgz", login=None).content == Chart(name="redis").archive
    assert wire.ask("GET", f"{LIBRARY}nginx-1.0.0.tgz", login=None).status_code == 401


def test_a_manifest_tells_nothing_of_a_chart_that_another_repository_holds(wire: Wire) -> None:
    """H1, R5: where sparse content is allowed one may be pushed without its blobs."""
    make_namespace(wire.stack, wire.instance, "sparse", allow_sparse_indexes=True, default_visibility="public")
    library = Library(wire.stack, wire.instance)
    push_manifest(library.registry, library.owner, Chart().manifest, "1.0.0", name=RepositoryName("sparse/nginx"))
    library.handle_events()
    put_over(wire, Chart(name="own"), "sparse")
    assert charts(wire.ask("GET", "/charts/default/sparse/index.yaml", login=None)) == ["own"]
    assert wire.ask("GET", "/charts/default/sparse/nginx-1.0.0.tgz").status_code == 404


def test_to_nobody_a_closed_namespace_and_a_missing_one_are_the_same(wire: Wire) -> None:
    """R5: told to log in, by Basic, whatever is there."""
    paths = ("closed", "none", "empty")
    answers = [told(wire.ask("GET", f"/charts/default/{one}/index.yaml", login=None)) for one in paths]
    answers.append(told(wire.ask("GET", "/charts/elsewhere/closed/index.yaml", login=None)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 401
    assert 'Basic realm="charts"' in answers[0][2]
    files = ("closed/nginx-1.0.0.tgz", "closed/nginx-9.0.0.tgz", "none/nginx-1.0.0.tgz", "closed/nginx-1.0.0.tgz.prov")
    assert len({told(wire.ask("GET", f"/charts/default/{one}", login=None)) for one in files}) == 1


def test_to_a_robot_of_another_namespace_hidden_and_missing_are_the_same(wire: Wire) -> None:
    """R5"""
    login = robot(wire, "open")
    assert charts(wire.ask("GET", f"{OPEN}index.yaml", login=login)) == ["web"]
    paths = ("default/closed", "default/none", "default/empty", "elsewhere/closed")
    answers = {told(wire.ask("GET", f"/charts/{one}/index.yaml", login=login)) for one in paths}
    assert {answer[0] for answer in answers} == {404}
    assert len(answers) == 1
    hidden = wire.ask("GET", "/charts/default/closed/nginx-1.0.0.tgz", login=login)
    missing = wire.ask("GET", "/charts/default/closed/ngins-1.0.0.tgz", login=login)
    assert (hidden.status_code, hidden.text.replace("nginx", "ngins")) == (404, missing.text)


def test_a_robot_sees_the_charts_that_it_may_pull_and_no_more(wire: Wire) -> None:
    """R5"""
    login = robot(wire, "library", "nginx")
    assert charts(wire.ask("GET", f"{LIBRARY}index.yaml", login=login)) == ["nginx", "redis"]
    other = robot(wire, "closed", "other")
    assert wire.ask("GET", "/charts/default/closed/index.yaml", login=other).status_code == 404


def test_a_guest_sees_what_was_shared(wire: Wire) -> None:
    """H1"""
    guest = Api.signed_in(wire.stack, account="guests")
    key = guest.post("/access-keys", {"remark": "helm"}).json()
    login = (key["id"], key["secret"])
    assert charts(wire.ask("GET", f"{LIBRARY}index.yaml", login=login)) == ["redis"]
    owner = Api.signed_in(wire.stack)
    shares = "/instances/default/namespaces/library/repositories/nginx/shares"
    assert owner.post(shares, {"account": "guests", "username": f"{Role.OWNER}"}).status == 201
    assert charts(wire.ask("GET", f"{LIBRARY}index.yaml", login=login)) == ["nginx", "redis"]
    assert wire.ask("GET", f"{LIBRARY}nginx-1.0.0.tgz", login=login).status_code == 200


def test_an_empty_namespace_is_shown_to_those_who_may_pull_from_it(wire: Wire) -> None:
    """H1: so that `helm repo add` works before the first push; to the same person a missing one is missing."""
    assert charts(wire.ask("GET", "/charts/default/empty/index.yaml")) == []
    assert wire.ask("GET", f"{NONE}index.yaml").status_code == 404


def test_a_public_repository_without_charts_shows_nobody_that_its_namespace_is_there(wire: Wire) -> None:
    """R5"""
    make_namespace(wire.stack, wire.instance, "bare", default_visibility="public")
    Repositories(wire.stack).ensure(wire.instance, RepositoryName("bare/unused"), "admin")
    there, missing = (wire.ask("GET", f"/charts/default/{one}/index.yaml", login=None) for one in ("bare", "none"))
    assert told(there) == told(missing)


def test_wrong_passwords_and_narrow_tokens_are_refused(wire: Wire) -> None:
    """R2: with the challenge of the one kind of login that helm knows here."""
    wrong = wire.ask("GET", f"{OPEN}index.yaml", login=(LOGIN[0], "wrong"))
    assert (wrong.status_code, "Basic" in wrong.headers["www-authenticate"]) == (401, True)
    token = wire.token("repository:library/nginx:pull")
    assert charts(wire.ask("GET", f"{LIBRARY}index.yaml", token=token)) == ["nginx"]
    assert wire.ask("GET", "/charts/default/closed/index.yaml", token=token).status_code == 401


def test_the_path_names_the_instance_that_the_address_means(wire: Wire) -> None:
    """H1: by name or id; on one machine the id alone will do where the address names none."""
    other = make_instance(wire.stack, "other", account_id="others")
    make_namespace(wire.stack, other, "library", default_visibility="public")
    put_chart(Library(wire.stack, other), Chart(name="theirs"))
    mine, theirs = f"/charts/{wire.instance.id}/library/index.yaml", f"/charts/{other.id}/library/index.yaml"
    assert charts(wire.ask("GET", mine)) == ["nginx", "redis"]
    assert charts(wire.ask("GET", theirs, login=None)) == ["theirs"]
    assert wire.ask("GET", theirs).status_code == 401  # The password of another instance.
    assert wire.ask("GET", "/charts/other/library/index.yaml").status_code == 404
    named = f"{wire.instance.label}.localhost"
    assert wire.ask("GET", theirs, headers={"Host": named}).status_code == 404
    assert charts(wire.ask("GET", "/charts/default/library/index.yaml", headers={"Host": named})) == ["nginx", "redis"]


@pytest.mark.parametrize(
    "path",
    [
        "/charts/", "/charts/default", "/charts/default/index.yaml", "/charts/default/library/",
        "/charts/default/a/index.yaml",
        "/charts/default/library/index.yml", "/charts/default/library/nginx.tgz", "/charts/default/library/-1.0.0.tgz",
        "/charts/default/library/nginx-1.0.0.tgz/", "/charts/default/library/../library/index.yaml",
        "/charts/default/library%2Fx/index.yaml", "/charts/default/Library/index.yaml", "/charts//library/index.yaml",
        "/charts/default/library/nginx-" + "1" * 200 + ".0.0.tgz", "/charts/default/library/%00-1.0.0.tgz",
        "/charts/default/" + "a/" * 600 + "index.yaml", "/charts/default/library/nginx-1.0.0\n.tgz",
    ],
)  # fmt: skip
def test_other_paths_are_nobody_s(wire: Wire, path: str) -> None:
    """H1"""
    assert exchange(wire, "GET", path, [("authorization", httpx.BasicAuth(*LOGIN)._auth_header)]).status == 404


def test_nothing_is_written_here(wire: Wire) -> None:
    """H1"""
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        answer = wire.ask(method, f"{LIBRARY}nginx-1.0.0.tgz", content=b"x")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_a_foreign_address_is_refused_everywhere_and_told_nothing(wire: Wire) -> None:
    """G2: also by methods and paths that there are not; the internal listener lets everybody in."""
    entry = Access(wire.stack).add(wire.instance, "198.51.100.7")
    try:
        for path in (
            f"{OPEN}index.yaml",
            f"{LIBRARY}redis-1.0.0.tgz",
            f"{NONE}index.yaml",
            "/charts/x",
            "/charts/x/y/index.yaml",
        ):
            for method in ("GET", "HEAD", "PUT"):
                seen = exchange(wire, method, path, peer="203.0.113.9")
                assert (seen.status, "etag" in seen.headers) == (403, False)
                assert method == "HEAD" or seen.code == "DENIED"
        assert exchange(wire, "GET", f"{OPEN}index.yaml", peer="203.0.113.9", port=5999).status == 200
        assert exchange(wire, "GET", f"{OPEN}index.yaml", peer="198.51.100.7").status == 200
    finally:
        Access(wire.stack).remove(wire.instance, entry.id, open_to_everyone=True)


def test_refusals_of_somebody_known_are_in_the_audit_record(wire: Wire) -> None:
    """G1"""
    login = robot(wire, "open", "nothing")
    wire.ask("GET", "/charts/default/closed/nginx-1.0.0.tgz", login=login)
    found = (
        Api.signed_in(wire.stack).get("/instances/default/audit-events", keyword="robot-open-nothing").json()["items"]
    )
    seen = [(one["user"], one["repository"], one["action"], one["result"]) for one in found if one["action"] == "pull"]
    assert seen == [(login[0], "closed/nginx", "pull", "NOT_FOUND")]


def test_a_frozen_instance_serves_no_charts(tmp_path: Path) -> None:
    """I5"""
    served = Wire(tmp_path)
    try:
        put_over(served, Chart(name="web"), "open")
        from chalicelib.instances.service import Instances

        instances = Instances(served.stack)
        instances.change(instances.get(served.instance.id), expires_at=served.clock.now())
        served.clock.advance(60)
        answer = served.ask("GET", f"{OPEN}index.yaml", login=None)
        assert (answer.status_code, answer.json()["errors"][0]["detail"]["reason"]) == (403, "INSTANCE_FROZEN")
    finally:
        served.close()
