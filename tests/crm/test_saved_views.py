"""Saved views: kept, shared, renamed, deleted, and opened first."""

from typing import Any

import pytest
from django.test import Client

from crm.models import Pipeline, SavedView, User
from tests.crm.pages import browser_of, texts


@pytest.fixture
def as_alice(alice: User) -> Client:
    return browser_of(alice)


def keep(client: Client, query: str, **fields: Any) -> Any:
    return client.post(f"/views/new/?{query}", {"name": "Big ones", **fields})


def shown(client: Client, layout: str = "list", board: int | str = "") -> list[str]:
    return texts(client.get(f"/views/?layout={layout}&board={board}").content.decode(), "clip")


def test_a_view_keeps_filters_columns_and_order(as_alice: Client, pipeline: Pipeline) -> None:
    query = "layout=list&value_min=1000&tag=vip&nonsense=1&owner=x&columns=title,value&sort=-value&after=7"
    answer = keep(as_alice, query)
    view = SavedView.objects.get()
    assert answer.headers["HX-Redirect"] == (
        f"/deals/?tag=vip&value_min=1000&columns=title,value&sort=-value&view={view.pk}"
    )
    assert as_alice.get(answer.headers["HX-Redirect"]).context["bar"].query == "tag=vip&value_min=1000"


def test_a_view_of_a_board_leads_to_its_pipeline(as_alice: Client, pipeline: Pipeline) -> None:
    keep(as_alice, f"layout=board&board={pipeline.pk}&stale=true")
    view = SavedView.objects.get()
    assert view.get_absolute_url() == f"/pipelines/{pipeline.pk}/?stale=true&view={view.pk}"
    assert shown(as_alice, "board", pipeline.pk) == ["Big ones"]
    assert shown(as_alice) == []


def test_a_private_view_is_seen_by_its_owner_alone_and_a_shared_one_by_all(
    as_alice: Client, bob: User, charlie: User, pipeline: Pipeline
) -> None:
    as_bob, as_charlie = browser_of(bob), browser_of(charlie)
    keep(as_bob, "layout=list", name="Private")
    keep(as_bob, "layout=list", name="Shared", shared="on")
    assert (shown(as_bob), shown(as_charlie)) == (["Private", "Shared"], ["Shared"])
    private = SavedView.objects.get(name="Private")
    assert as_charlie.get(f"/views/{private.pk}/?layout=list").status_code == 404
    assert as_charlie.post(f"/views/{private.pk}/delete/").status_code == 404


def test_only_the_owner_and_administrators_change_and_delete_a_shared_view(
    as_alice: Client, bob: User, charlie: User, pipeline: Pipeline
) -> None:
    keep(browser_of(bob), "layout=list&tag=vip", shared="on")
    view = SavedView.objects.get()
    as_charlie = browser_of(charlie)
    as_charlie.post(f"/views/{view.pk}/?layout=list", {"name": "Charlie's"})
    assert as_charlie.post(f"/views/{view.pk}/delete/").status_code == 403
    view.refresh_from_db()
    assert (view.name, view.shared) == ("Big ones", True)
    changed = {"name": "Alice's", "shared": "on", "again": "on"}
    as_alice.post(f"/views/{view.pk}/?layout=list&tag=new&sort=title", changed)
    view.refresh_from_db()
    assert (view.name, view.query, view.sort, view.owner) == ("Alice's", "tag=new", "title", bob)
    assert as_alice.post(f"/views/{view.pk}/delete/").headers["HX-Redirect"] == "/deals/?view="
    assert not SavedView.objects.exists()


def test_renaming_a_view_leaves_what_it_shows(as_alice: Client, pipeline: Pipeline) -> None:
    keep(as_alice, "layout=list&tag=vip")
    view = SavedView.objects.get()
    as_alice.post(f"/views/{view.pk}/?layout=list&tag=other", {"name": "Renamed"})
    view.refresh_from_db()
    assert (view.name, view.query) == ("Renamed", "tag=vip")


def test_a_second_view_of_a_name_is_refused_beside_the_name(as_alice: Client, pipeline: Pipeline) -> None:
    keep(as_alice, "layout=list")
    again = keep(as_alice, "layout=list", name="BIG ONES")
    assert (again.status_code, "You have a view of this name." in again.content.decode()) == (422, True)
    assert keep(as_alice, f"layout=board&board={pipeline.pk}").status_code == 200
    assert keep(as_alice, "layout=list", name="").status_code == 422
    assert SavedView.objects.count() == 2


def test_one_view_a_layout_opens_first_for_a_person_and_everything_leads_past_it(
    as_alice: Client, bob: User, pipeline: Pipeline
) -> None:
    keep(as_alice, "layout=list&tag=vip", first="on", shared="on")
    keep(as_alice, "layout=list&tag=new", name="Other", first="on")
    keep(as_alice, f"layout=board&board={pipeline.pk}&stale=true", first="on")
    other = SavedView.objects.get(name="Other")
    assert as_alice.get("/deals/").headers["Location"] == f"/deals/?tag=new&view={other.pk}"
    assert as_alice.get("/").headers["Location"].startswith(f"/pipelines/{pipeline.pk}/?stale=true")
    assert as_alice.get("/deals/?view=").status_code == 200
    assert browser_of(bob).get("/deals/").status_code == 200


def test_a_view_that_is_shared_no_more_opens_for_nobody_else(
    as_alice: Client, bob: User, pipeline: Pipeline
) -> None:
    keep(as_alice, "layout=list&tag=vip", shared="on")
    view = SavedView.objects.get()
    as_bob = browser_of(bob)
    as_bob.post(f"/views/{view.pk}/?layout=list", {"first": "on"})
    assert as_bob.get("/deals/").status_code == 302
    as_alice.post(f"/views/{view.pk}/?layout=list", {"name": "Mine again"})
    assert as_bob.get("/deals/").status_code == 200


def test_views_of_no_layout_or_no_board_do_not_exist(as_alice: Client, pipeline: Pipeline) -> None:
    assert as_alice.get("/views/?layout=diagram").status_code == 404
    assert as_alice.get("/views/?layout=board&board=999").status_code == 404
