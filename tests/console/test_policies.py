"""P1–P5 in the console: rules that keep versions as they are, and rules that say which stay."""

from __future__ import annotations

import pytest

from benchmarks.tag_pages import fill
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.background import run_tasks
from tests.console.browsing import Browser
from tests.registry.library import Library

Form = dict[str, str | list[str]]
RULES = "/instances/ci/immutability"
SYNC = "/instances/ci/sync"
RETENTION = "/instances/ci/namespaces/library/retention"


@pytest.fixture
def library(stack: Stack) -> Library:
    library = Library.opened(stack)
    library.push("v1", "v2", "latest")
    return library


def test_a_pattern_is_tried_out_before_anything_is_saved(library: Library) -> None:
    """P2, C1"""
    browser = Browser.signed_in(library.stack)
    seen = browser.get(f"{RULES}/new?namespace=library&repositories=**&tags=v*&try=yes")
    assert ("library/app:v1" in seen.words, "library/app:latest" in seen.words) == (True, False)
    assert 'value="v*"' in seen.html
    # As the form was filled in: the box was not ticked.
    assert " checked" not in seen.html
    assert " checked" in browser.get(f"{RULES}/new").html
    assert library.api().get("/instances/ci/immutability-rules").json()["items"] == []


@pytest.mark.parametrize("saved", [True, False], ids=["saved", "tried out"])
def test_a_wrong_pattern_points_at_its_character(library: Library, saved: bool) -> None:
    """P2, C1"""
    browser = Browser.signed_in(library.stack)
    typed: Form = {"namespace": "library", "repositories": "**", "tags": "v*<b>"}
    query = "namespace=library&repositories=**&tags=v*%3Cb%3E&try=yes"
    seen = browser.post(f"{RULES}/new", typed) if saved else browser.get(f"{RULES}/new?{query}")
    assert seen.status == 400
    assert 'id="tags-wrong"' in seen.html
    assert "<code>v<mark>*</mark>&lt;b&gt;</code>" in seen.html
    assert 'value="v*&lt;b&gt;"' in seen.html


def test_patterns_that_match_none_of_the_first_versions_are_not_said_to_match_nothing(library: Library) -> None:
    """P2, C1: a look at 5 000 versions says nothing of the others."""
    fill(library.stack, library.instance, "archive", 5_001)
    browser, more = Browser.signed_in(library.stack), "None among the first 5,000 versions; more follow."
    made = library.api().post("/instances/ci/immutability-rules", {"namespace": "library", "tags": "zzz*"}).json()
    asked = "namespace=library&source_namespace=library&tags=zzz*&source_tags=zzz*&try=yes"
    for page in (f"{RULES}/new?{asked}&repositories=**", f"{RULES}/{made['id']}/delete", f"{SYNC}/new?{asked}"):
        assert more in browser.get(page).words


def test_lists_that_were_narrowed_to_nothing_claim_no_more_than_that(library: Library) -> None:
    """P4, C1"""
    browser = Browser.signed_in(library.stack)
    browser.post(f"{RETENTION}/rules/new", repositories="**", tags="v*", keep_last="1")
    browser.post(f"{RETENTION}/dry-run")
    assert "latest" in browser.get(f"{RETENTION}/unmatched").words
    assert "matches some rule" not in browser.get(f"{RETENTION}/unmatched?search=nowhere").words
    assert "No run matches" in browser.get(f"{RETENTION}?dry_run=false").words


def test_an_immutability_rule_is_made_switched_off_edited_and_deleted(library: Library) -> None:
    """P1, C1"""
    browser, api = Browser.signed_in(library.stack, Role.DEVELOPER), library.api()

    def rules() -> list[tuple[str, bool]]:
        found = api.get("/instances/ci/immutability-rules").json()["items"]
        return [(one["tags"], one["enabled"]) for one in found]

    seen = browser.post(f"{RULES}/new", namespace="library", repositories="**", tags="v*", enabled="yes")
    assert (seen.path, rules()) == (RULES, [("v*", True)])
    rule = f"{RULES}/{api.get('/instances/ci/immutability-rules').json()['items'][0]['id']}"
    assert "2 versions can be overwritten and deleted from then on" in browser.get(f"{rule}/delete").words
    browser.post(f"{rule}/enabled", enabled="no")
    assert rules() == [("v*", False)]
    browser.post(f"{rule}/edit", repositories="app", tags="{v*,latest}", enabled="yes")
    assert rules() == [("{v*,latest}", True)]
    assert "The rule is gone" in browser.post(f"{rule}/delete").words
    assert rules() == []


def test_who_may_only_read_is_offered_no_change_and_refused(library: Library) -> None:
    """P1, P3, G5, C1"""
    reader = Browser.signed_in(library.stack, Role.READER)
    assert "New rule" not in reader.get(RULES).words
    assert "/dry-run" not in reader.get(RETENTION).html
    assert reader.post(f"{RULES}/new", namespace="library", repositories="**", tags="v*").status == 403
    assert reader.post(f"{RETENTION}/run", acknowledged="yes").status == 403


def test_what_no_pattern_matches_is_shown_before_a_rule_is_saved_and_before_it_runs(library: Library) -> None:
    """P3, C1"""
    browser = Browser.signed_in(library.stack)
    told = "1 version matches no rule's pattern and would be deleted"
    tried = browser.get(f"{RETENTION}/rules/new?repositories=**&tags=v*&keep_last=1&try=yes")
    assert told in tried.words
    assert library.api().get(f"{RETENTION}/rules").json()["items"] == []
    browser.post(f"{RETENTION}/rules/new", repositories="**", tags="v*", keep_last="1")
    assert told in browser.get(RETENTION).words
    assert told in browser.get(f"{RETENTION}/run").words


def test_a_schedule_wants_the_rules_checked_and_shows_its_next_five_runs(library: Library) -> None:
    """P4, C1"""
    browser = Browser.signed_in(library.stack)
    browser.post(f"{RETENTION}/rules/new", repositories="**", tags="v*", keep_last="1")
    wanted: Form = {"by": "schedule", "preset": "0 2 * * 1-5", "cron": "0 5 * * *", "timezone": "Asia/Shanghai"}
    unchecked = browser.post(f"{RETENTION}/schedule", wanted)
    assert (unchecked.status, library.api().get(RETENTION).json()["schedule"]) == (428, None)
    saved = browser.post(f"{RETENTION}/schedule", wanted, acknowledged="yes")
    assert (saved.path, "on working days at 02:00" in saved.words) == (RETENTION, True)
    assert saved.html.count("<li><time") == 5
    wrong = browser.post(f"{RETENTION}/schedule", by="schedule", cron="61 2 * * *", timezone="Mars/Base")
    assert (wrong.status, 'value="61 2 * * *"' in wrong.html) == (400, True)
    assert ("is no minute" in wrong.words, "is no time zone" in wrong.words) == (True, True)
    preview = browser.get(f"{RETENTION}/schedule?by=schedule&cron=0+5+*+*+*&timezone=UTC&try=yes")
    assert ("2026-02-01 05:00" in preview.words, 'value="0 5 * * *"' in preview.html) == (True, True)


def test_a_dry_run_tells_of_every_version_and_a_run_asks_first(library: Library) -> None:
    """P4, P5, C1"""
    browser = Browser.signed_in(library.stack)
    browser.post(f"{RETENTION}/rules/new", repositories="**", tags="v*", keep_last="1")
    begun = browser.post(f"{RETENTION}/dry-run")
    assert (begun.status, "Stop the run" in begun.words) == (200, True)
    assert 'hx-trigger="every' in begun.html
    run_tasks(library.stack)
    done = browser.get(begun.path)
    assert ("would be deleted" in done.words, 'hx-trigger="every' in done.html) == (True, False)
    assert "latest" not in browser.part(f"{begun.path}?verdict=kept", "list").words
    assert browser.post(f"{RETENTION}/run").status == 428
    real = browser.post(f"{RETENTION}/run", acknowledged="yes")
    run_tasks(library.stack)
    assert "/recycle-bin?kind=tag&amp;search=latest" in browser.get(real.path).html
    tags = library.api().get(library.path("/tags")).json()["items"]
    assert len(tags) == 1
