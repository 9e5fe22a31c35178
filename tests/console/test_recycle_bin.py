"""X1 in the console: what was deleted is shown, brought back, or freed before its time."""

from __future__ import annotations

from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.background import run_tasks
from tests.console.browsing import Browser
from tests.recycling.bin import delete_namespace, delete_repository, delete_tag, listed
from tests.registry.library import Library

BIN = "/instances/ci/recycle-bin"


def test_a_version_is_restored_by_one_click(stack: Stack) -> None:
    """X1, C1"""
    library = Library.opened(stack)
    library.push("v1", "v2")
    delete_tag(library, "v1")
    browser = Browser.signed_in(stack, Role.DEVELOPER)
    (entry,) = listed(library.api())
    assert "library/app:v1" in browser.get(f"{BIN}?kind=tag&search=v1").words
    seen = browser.post(f"{BIN}/{entry['id']}/restore")
    assert (seen.path, "v1 is back" in seen.words, "The recycle bin is empty" in seen.words) == (BIN, True, True)
    assert len(library.api().get(library.path("/tags")).json()["items"]) == 2


def test_where_the_name_is_taken_another_is_offered(stack: Stack) -> None:
    """X1, C1"""
    library = Library.opened(stack)
    library.push("v1")
    delete_repository(library)
    library.push("v1", layers=(b"another",))
    browser = Browser.signed_in(stack)
    (entry,) = listed(library.api())
    taken = browser.post(f"{BIN}/{entry['id']}/restore")
    assert taken.status == 409
    field = taken.html.partition('name="name"')[2].partition(">")[0]
    free = field.partition('value="')[2].partition('"')[0]
    assert free
    assert free != "app"
    assert browser.post(f"{BIN}/{entry['id']}/restore", name=free).path == BIN
    assert library.api().get("/instances/ci/namespaces/library/repositories/" + free).status == 200


def test_freeing_says_what_goes_and_wants_the_name(stack: Stack) -> None:
    """X1, C1"""
    library = Library.opened(stack)
    library.push("v1", "v2")
    delete_namespace(library)
    browser = Browser.signed_in(stack)
    (entry,) = listed(library.api())
    asked = browser.get(f"{BIN}/{entry['id']}/delete")
    assert ("1 repository" in asked.words, "2 versions (tags)" in asked.words) == (True, True)
    assert browser.post(f"{BIN}/{entry['id']}/delete", confirm="other").status == 428
    assert len(listed(library.api())) == 1
    gone = browser.post(f"{BIN}/{entry['id']}/delete", confirm="library")
    run_tasks(stack)
    assert ("library is gone for good" in gone.words, listed(library.api())) == (True, [])


def test_a_reader_is_offered_nothing_to_change_and_refused(stack: Stack) -> None:
    """X1, G5, C1"""
    library = Library.opened(stack)
    library.push("v1")
    delete_tag(library, "v1")
    (entry,) = listed(library.api())
    reader = Browser.signed_in(stack, Role.READER)
    assert "Restore" not in reader.get(BIN).words.replace("Restorable", "")
    assert "Delete for good" not in reader.get(f"{BIN}/{entry['id']}").words
    assert reader.post(f"{BIN}/{entry['id']}/restore").status == 403
    assert reader.post(f"{BIN}/{entry['id']}/delete", confirm="v1").status == 403
