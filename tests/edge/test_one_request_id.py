"""One id from the client to the last queue, in the log lines of every process of a running service (REQUIREMENTS: G1).

A push that a rule brings elsewhere, and a deletion that takes a task, with a webhook that is told of all; then what the
log says of each.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.notifications.receiver import Receiver, receiving
from tests.registry.images import image
from tests.registry.wire import MANIFEST, sha256
from tests.serving import Service, serving

TIMEOUT_S = 30.0
EVENTS = ["image.pushed", "namespace.deleted", "task.finished"]
BODY = image(b"layer")


class Story:
    """What was asked, and the ids that the answers bore."""

    def __init__(self, service: Service, receiver: Receiver) -> None:
        self._service = service
        self._receiver = receiver
        self._client = httpx.Client(base_url=service.url, timeout=20)
        signed_in = {"account": "default", "username": service.username, "password": service.password}
        session = self._client.post("/api/v1/session", json=signed_in).json()["token"]
        self._api = {"Authorization": f"Bearer {session}"}
        self._manage("POST", "/webhooks", {"url": receiver.url, "events": EVENTS}).raise_for_status()
        for name in ("going", "arriving"):
            self._manage("POST", "/namespaces", {"name": name, "auto_create_repository": True}).raise_for_status()
        order = {"source_namespace": "going", "target_instance": "default", "target_namespace": "arriving"}
        rule = self._manage("POST", "/sync-rules", {"name": "along", **order}).raise_for_status().json()["id"]
        self.push_id = self._push()
        self._wait(lambda: receiver.types.count("image.pushed") == 2 and "task.finished" in receiver.types)
        self._manage("DELETE", f"/sync-rules/{rule}").raise_for_status()
        deleted = self._manage("DELETE", "/namespaces/going?confirm=going")
        assert deleted.status_code == 202, deleted.text
        self.deletion_id, self.task_id = deleted.headers["x-request-id"], deleted.json()["id"]
        # The namespace went, and the task ended: the line of a delivery is written after its server answered.
        self._wait(lambda: self.tried(self.deletion_id) == 2)

    def tried(self, request_id: str) -> int:
        """Deliveries of what followed from a request."""
        return sum(line["message"] == "webhook tried" for line in self.lines(request_id))

    def _manage(self, method: str, path: str, body: object = None) -> httpx.Response:
        return self._client.request(method, f"/api/v1/instances/default{path}", json=body, headers=self._api)

    def _push(self) -> str:
        repository, login = "/v2/going/app", self._service.login
        for blob in (b"{}", b"layer"):
            started = self._client.post(f"{repository}/blobs/uploads/", auth=login)
            where = httpx.URL(started.headers["location"]).copy_add_param("digest", sha256(blob))
            assert self._client.put(where, content=blob, auth=login).status_code == 201
        media = {"Content-Type": MANIFEST}
        pushed = self._client.put(f"{repository}/manifests/v1", content=BODY, headers=media, auth=login)
        assert pushed.status_code == 201, pushed.text
        return pushed.headers["x-request-id"]

    def lines(self, request_id: str = "") -> list[dict[str, Any]]:
        """Of the log, in JSON; of one request if it is named."""
        texts = self._service.log.read_text().splitlines()
        lines: Iterator[dict[str, Any]] = (json.loads(text) for text in texts if text.startswith("{"))
        return [line for line in lines if request_id in ("", line.get("request_id"))]

    def _wait(self, there: Callable[[], bool]) -> None:
        until = time.monotonic() + TIMEOUT_S
        while not there():
            assert time.monotonic() < until, f"{self._receiver.types}\n{self._service.log.read_text()[-3000:]}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    settings: dict[str, Any] = {
        "CRS_ACCESS_LOG": "true",
        "CRS_SWEEP_INTERVAL_S": "0.5",
        "CRS_ALLOW_PRIVATE_ADDRESSES": "true",
    }
    with receiving() as receiver, serving(tmp_path_factory.mktemp("one") / "data", **settings) as service:
        yield Story(service, receiver)


def events(lines: list[dict[str, Any]]) -> set[str]:
    return {line["message"] if line["message"] != "message handled" else line["kind"] for line in lines}


def test_a_push_is_found_by_its_request_id_from_the_gateway_to_the_delivery_of_its_webhook(story: Story) -> None:
    found = events(story.lines(story.push_id))
    assert {"request answered", "ImagePushed", "DeliverWebhook", "webhook tried"} <= found
    # The image is looked over meanwhile; its layer is no archive.
    assert found <= {
        "request answered", "ImagePushed", "DeliverWebhook", "webhook tried",
        "ContinueScan", "ContinueTransfer", "layer refused", "task ended",
    }  # fmt: skip


def test_a_push_is_found_where_a_rule_brought_it_too(story: Story) -> None:
    """Y1: by another process, whose push is told of in its turn."""
    kinds = [line["kind"] for line in story.lines(story.push_id) if line["message"] == "message handled"]
    assert (kinds.count("ContinueTransfer") >= 1, kinds.count("ImagePushed")) == (True, 2)


def test_an_api_call_is_found_by_its_request_id_through_all_messages_of_its_task(story: Story) -> None:
    lines = story.lines(story.deletion_id)
    assert {"request answered", "ContinueTask", "task ended", "webhook tried"} <= events(lines)
    assert [line["task_id"] for line in lines if line["message"] == "task ended"] == [story.task_id]
    assert story.tried(story.deletion_id) == 2


def test_messages_say_what_they_were_caused_by_back_to_the_request(story: Story) -> None:
    handled = [line for line in story.lines(story.deletion_id) if line["message"] == "message handled"]
    known = {story.deletion_id, *(line["cause"] for line in handled)}
    tasks = [line for line in handled if line["kind"] == "ContinueTask"]
    assert tasks[0]["caused_by"] == story.deletion_id
    assert {line["caused_by"] for line in tasks} <= known


def test_what_nobody_asked_for_carries_no_request(story: Story) -> None:
    """Schedules go on all the time beside the requests."""
    schedules = [line for line in story.lines() if line.get("kind") == "AnnounceUntold"]
    assert schedules
    assert not any("request_id" in line for line in schedules)


def test_every_line_of_a_request_says_which_function_it_came_from(story: Story) -> None:
    functions = {line["kind"]: line["function"] for line in story.lines() if line["message"] == "message handled"}
    assert functions["ImagePushed"] == "object_created"
    assert functions["ContinueTask"] == "tasks"
    assert functions["ContinueTransfer"] == "transfers"
    assert functions["DeliverWebhook"] == "webhooks"
