"""The door for changes to users: somebody has to be able to let people in."""

import threading

import pytest
from django.db import connection, transaction
from django.test import Client

from crm.actors import Actor
from crm.deals import create_deal
from crm.models import Stage, User
from crm.users import LastAdministrator, StillOwnsDeals, delete_user, update_user
from tests.crm.api import ApiClient
from tests.crm.pages import browser_of

GIVING_UP = [{"role": User.Role.REP}, {"is_active": False}]


@pytest.fixture
def dora(db: None) -> User:
    """A second administrator."""
    return User.objects.create_user("dora@example.com", name="Dora", role=User.Role.ADMIN)


@pytest.mark.parametrize("fields", GIVING_UP)
def test_the_last_administrator_stays_one(alice: User, bob: User, fields: dict[str, object]) -> None:
    with pytest.raises(LastAdministrator, match="last administrator") as refused:
        update_user(user_id=alice.pk, fields=fields)
    assert list(refused.value.errors) == list(fields)
    alice.refresh_from_db()
    assert (alice.role, alice.is_active) == (User.Role.ADMIN, True)
    with pytest.raises(LastAdministrator):
        delete_user(user_id=alice.pk)
    assert User.objects.count() == 2


@pytest.mark.parametrize("fields", GIVING_UP)
def test_one_administrator_of_two_may_go(alice: User, dora: User, fields: dict[str, object]) -> None:
    update_user(user_id=alice.pk, fields=fields)
    with pytest.raises(LastAdministrator):
        update_user(user_id=dora.pk, fields=fields)


def test_an_administrator_who_cannot_log_in_counts_for_none(alice: User, dora: User) -> None:
    update_user(user_id=dora.pk, fields={"is_active": False})
    with pytest.raises(LastAdministrator):
        update_user(user_id=alice.pk, fields={"role": User.Role.MANAGER})


@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_who_demote_each_other_at_once_one_stays() -> None:
    first, second = (
        User.objects.create_user(f"{name}@example.com", name=name, role=User.Role.ADMIN) for name in "ab"
    )
    refused: list[LastAdministrator] = []

    def demote_second() -> None:
        try:
            update_user(user_id=second.pk, fields={"role": User.Role.REP})
        except LastAdministrator as error:
            refused.append(error)
        finally:
            connection.close()

    other = threading.Thread(target=demote_second)
    with transaction.atomic():
        update_user(user_id=first.pk, fields={"role": User.Role.REP})
        other.start()  # it waits for our locks, whenever it comes to them
    other.join()
    assert len(refused) == 1
    assert list(User.objects.filter(role=User.Role.ADMIN)) == [second]


def test_somebody_with_deals_is_not_deleted(alice: User, bob: User, stages: list[Stage]) -> None:
    create_deal(actor=Actor.user(alice), stage=stages[0], title="Bakery", fields={"owner": bob})
    with pytest.raises(StillOwnsDeals):
        delete_user(user_id=bob.pk)
    assert User.objects.filter(pk=bob.pk).exists()


def test_the_api_keeps_the_last_administrator(api: ApiClient, alice: User) -> None:
    refused = api.patch(f"users/{alice.pk}/", role="rep")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "last_administrator")
    assert api.delete(f"users/{alice.pk}/").status_code == 400
    assert User.objects.get().is_admin


def test_djangos_admin_keeps_the_last_administrator(alice: User, bob: User) -> None:
    browser = browser_of(alice)
    form = {
        "email": alice.email,
        "name": "Alice",
        "role": "rep",
        "call_url": "tel:{phone}",
        "is_active": "on",
    }
    page = browser.post(f"/admin/crm/user/{alice.pk}/change/", form, follow=True)
    assert "last administrator" in page.content.decode()
    chosen = {"action": "delete_selected", "_selected_action": [alice.pk], "post": "yes"}
    browser.post("/admin/crm/user/", chosen)
    assert User.objects.get(pk=alice.pk).is_admin
    browser.post(f"/admin/crm/user/{bob.pk}/change/", {**form, "email": bob.email, "name": "Robert"})
    assert User.objects.get(pk=bob.pk).name == "Robert"


def test_the_page_keeps_the_last_administrator_and_says_why_beside_the_field(alice: User) -> None:
    form = {"name": "Alice", "email": alice.email, "role": "admin"}  # without the box "may log in"
    page = browser_of(alice).post(f"/settings/users/{alice.pk}/", form)
    assert page.status_code == 422
    assert "last administrator" in page.context["form"].errors["is_active"][0]
    assert User.objects.get().is_active


def test_who_is_deactivated_is_out_at_once(alice: User, bob: User) -> None:
    browser = browser_of(bob)
    assert browser.get("/deals/").status_code == 200
    form = {"name": "Bob", "email": bob.email, "role": "rep", "team": bob.team_id}
    assert browser_of(alice).post(f"/settings/users/{bob.pk}/", form).status_code == 302
    assert browser.get("/deals/").status_code == 302
    login = Client().post("/login/", {"username": bob.email, "password": "bob's password"})
    assert "_auth_user_id" not in login.client.session
