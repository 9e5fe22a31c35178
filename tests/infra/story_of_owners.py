"""What people do over the management API: an example of every endpoint, what takes a task, what is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from chalicelib.kernel.roles import Role
from tests.api.world import NAMESPACE, Place, World, every, examples, fresh
from tests.management import PASSWORD, Api, endpoints
from tests.registry.wire import MANIFEST, image

from .functions import Clients, Functions
from .story_of_clients import APP, FRESH, LOGIN, push_image, put

EVENTS: Final = ["image.pushed", "image.deleted", "repository.deleted", "namespace.deleted", "task.finished"]
# More than a request deletes itself.
_MANY: Final = 120
_PULL: Final = [{"namespaces": NAMESPACE, "repositories": "**", "actions": ["pull"]}]


def ask_everything(aws: Functions, world: World, place: Place, *, about_objects: bool = False) -> None:
    """The example of every endpoint. about_objects: of those alone that this touched objects for, the time before."""
    for endpoint in every(endpoints()):
        if about_objects and endpoint.name not in aws.record.marks:
            continue
        ask = examples()[endpoint.name](place)
        owner = world.somebody(Role.OWNER) if endpoint.name in ("sign_out", "change_me") else place.owner
        with aws.record.marking(endpoint.name, "s3"):
            answer = ask.send(endpoint, world.carried(world.operator if ask.operator else owner))
        assert answer.status in endpoint.answers, f"{endpoint.name}: {answer.text}"


@dataclass(frozen=True)
class Owner:
    """Of an instance; every request goes through API Gateway."""

    aws: Functions
    api: Api
    path: str

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self.api.send(method, f"{self.path}{path}", body, query)
        assert answer.status < 300, f"{method} {path}: {answer.text}"
        return answer.json() if answer.text else None

    def again(self, api: Api) -> Owner:
        return replace(self, api=api)

    def repository(self, name: str) -> str:
        """The path of the repository of that full name."""
        namespace, _, short = name.partition("/")
        found = self.ask("GET", f"/namespaces/{namespace}/repositories", search=short)["items"]
        (own,) = [one["id"] for one in found if one["name"] in (short, name)]
        return f"/namespaces/{namespace}/repositories/{own}"

    def entry(self, kind: str, name: str) -> str:
        """The path of the youngest entry in the recycle bin."""
        found = self.ask("GET", "/recycle-bin", kind=kind, search=name)["items"]
        assert found, f"{kind} {name} is not in the bin"
        return f"/recycle-bin/{max(one['id'] for one in found)}"

    # What takes more than the call itself

    def watch(self, url: str) -> None:
        self.ask("POST", "/webhooks", {"url": url, "events": EVENTS})

    def copies(self) -> None:
        tags = f"{self.repository(APP)}/tags"
        for tag in ("multi", "v1", "large"):
            self.ask("POST", f"{tags}/{tag}/copies", {"repository": "copied", "tag": tag, "referrers": True})
        history = self.ask("GET", f"{tags}/v1/history")["items"]
        first = next(move["digest"] for move in history if move["rollback"]["possible"] and not move["current"])
        self.ask("POST", f"{tags}/v1/rollback", {"digest": first})

    def deletes(self, clients: Clients) -> None:
        """Tags, more tags than a request deletes, a repository and a namespace; each comes back, and some go again."""
        repository = self.repository(APP)
        self.ask("POST", f"{repository}/tag-deletions", {"tags": ["again", "large", "none"]})
        self.aws.settle()
        for name in ("again", "large"):
            self.ask("POST", f"{self.entry('tag', name)}/restore", {})
        body = push_image(clients, APP, "mass", b"mass")
        for begin in range(0, _MANY, 10):
            put(clients, APP, "mass", body, tuple(f"mass{number}" for number in range(begin, begin + 10)))
        self.ask("POST", f"{repository}/tag-deletions", {"all_matching": {"prefix": "mass"}})
        self.aws.settle()
        fresh_one = self.repository(FRESH)
        self.ask("DELETE", fresh_one, confirm=FRESH.partition("/")[2])
        self.ask("POST", f"{self.entry('repository', FRESH)}/restore", {})
        self.ask("DELETE", fresh_one, confirm=FRESH.partition("/")[2])
        self.ask("DELETE", self.entry("repository", FRESH), confirm=FRESH)
        self._namespaces(clients)

    def _namespaces(self, clients: Clients) -> None:
        for name in ("going", "staying"):
            self.ask("POST", "/namespaces", {"name": name, "auto_create_repository": True})
            for short in ("app", "tool"):
                push_image(clients, f"{name}/{short}", "v1", f"{name} {short}".encode())
            self.aws.settle()
            self.ask("DELETE", f"/namespaces/{name}", confirm=name)
            self.aws.settle()
            self.ask("POST", f"{self.entry('namespace', name)}/restore", {})
            self.aws.settle()
        self.ask("DELETE", "/namespaces/going", confirm="going")
        self.aws.settle()
        self.ask("DELETE", self.entry("namespace", "going"), confirm="going")
        # Its schedule fires all the same, and looks for it under other names.
        self._schedules("/namespaces/staying/retention", "app", "v*")
        self.ask("DELETE", "/namespaces/staying", confirm="staying")
        self.aws.settle()

    def restores_manifests(self) -> None:
        """What was deleted by its digest, with the tags and signatures that went along."""
        for one in self.ask("GET", "/recycle-bin", kind="manifest")["items"]:
            if one["restorable"]:
                self.ask("POST", f"/recycle-bin/{one['id']}/restore", {"leave_taken": True})

    def dies_restoring(self, digest: str) -> None:
        """The index is back, its children are not yet: the sweep sees to them."""
        entry = self.entry("manifest", digest)
        with self.aws.record.dying_after("TransactWriteItems"):
            self.ask("POST", f"{entry}/restore", {})

    def lets_in(self, clients: Clients, guest: Api) -> None:
        """A robot, a program of the owner's, and a guest; all of them pull."""
        robot = {"username": fresh("robot"), "permissions": _PULL}
        password = self.ask("POST", "/credentials", robot)["password"]
        self.ask("POST", f"{self.repository(APP)}/shares", {"account": "guests", "username": "owner"})
        keys = [
            replace(self, api=api, path="").ask("POST", "/access-keys", {"remark": "ci"}) for api in (self.api, guest)
        ]
        logins = [(robot["username"], password), *((key["id"], key["secret"]) for key in keys)]
        for login in logins:
            query = {"service": "x", "scope": f"repository:{APP}:pull"}
            token = clients.ask("GET", "/token", 200, auth=login, params=query).json()["token"]
            header = {"Authorization": f"Bearer {token}"}
            clients.ask("GET", f"/v2/{APP}/manifests/v1", 200, headers=header)
            clients.ask("GET", f"/v2/{APP}/manifests/v1", 200, auth=login)
            clients.ask("GET", "/token", 401, auth=(login[0], "a guess"), params=query)

    def retains(self, clients: Clients) -> None:
        """By hand, tried and in earnest; then by a schedule, which fires once time passes."""
        for number in range(4):
            push_image(clients, "library/aged", f"old-{number}", f"aged {number}".encode())
        retention = "/namespaces/library/retention"
        self._schedules(retention, "aged", "old-*")
        for order in ({"dry_run": True}, {"acknowledged": True}):
            self.ask("POST", f"{retention}/runs", order)
            self.aws.settle()
        stopped = self.ask("POST", f"{retention}/runs", {"dry_run": True})
        self.ask("POST", f"/tasks/{stopped['id']}/cancel")

    def _schedules(self, retention: str, repositories: str, tags: str) -> None:
        rule = {"repositories": repositories, "tags": tags, "keep_last": 3}
        self.ask("POST", f"{retention}/rules", rule)
        schedule = {"cron": "0 3 * * *", "timezone": "UTC"}
        self.ask("PUT", retention, {"schedule": schedule, "acknowledged": True})

    def fixes(self, clients: Clients) -> None:
        """A tag under a rule of immutability stays where it is."""
        push_image(clients, APP, "fixed", b"fixed")
        body = {"namespace": NAMESPACE, "repositories": "app", "tags": "fixed*"}
        self.ask("POST", "/immutability-rules", body)
        path, kind = f"/v2/{APP}/manifests/fixed", {"Content-Type": MANIFEST}
        clients.ask("PUT", path, 403, 405, 409, auth=LOGIN, content=image(b"one"), headers=kind)
        clients.ask("DELETE", path, 403, 405, 409, auth=LOGIN)
        answer = self.api.delete(f"{self.path}{self.repository(APP)}/tags/fixed")
        assert answer.status in (403, 409), answer.text


def are_refused(world: World, place: Place) -> None:
    """Strangers, guessers, and who sends a request twice."""
    world.carried(world.stranger).get(place.path)
    world.carried(world.guest).delete(f"{place.path}/namespaces/{NAMESPACE}", confirm=NAMESPACE)
    world.carried(world.people[Role.READER]).post(f"{place.path}/namespaces", {"name": fresh("space")})
    world.carried(place.owner).at("203.0.113.9").post(f"{place.path}/namespaces", {"name": fresh("space")})
    nobody = world.carried(Api(world.stack))
    nobody.get(place.path)
    for password in (PASSWORD + "!", PASSWORD):
        nobody.post("/session", {"account": place.account, "username": "owner", "password": password})
    once = world.carried(replace(place.owner, headers={"idempotency-key": fresh("key")}))
    for body in ({"name": "one-" + fresh("space")}, {"name": "other"}):
        for _ in range(2):
            once.post(f"{place.path}/namespaces", body)
    key = place.create("/access-keys", {"remark": "for scripts"})
    world.carried(Api(world.stack, f"{key['id']}.{key['secret']}")).get("/me")
    taken = {"name": fresh("acme"), "edition": "enterprise", "username": "admin", "password": PASSWORD, "months": 1}
    for bucket in (world.stack.settings.bucket, "nobody-has-this-bucket"):
        world.carried(place.owner).post("/instances", {**taken, "bucket": bucket})
