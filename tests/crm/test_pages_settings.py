"""The pages of the settings: who may open them, and the lists that one pattern serves."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from crm.actors import Actor
from crm.deals import lose_deal, update_deal
from crm.models import ApiToken, Contact, Deal, LostReason, Source, Stage, Tag, Team, User
from crm.tokens import create_token, find_token
from tests.crm.pages import browser_of, texts

OWN = ["", "profile/", "notices/", "security/", "security/two-step/", "telephone/", "tokens/"]
ADMINISTRATORS = [
    *(f"{slug}/{page}" for slug in ("tags", "sources", "lost-reasons", "teams") for page in ("", "new/")),
    "pipelines/",
    "pipelines/new/",
    "pipelines/{pipeline}/",
    "pipelines/{pipeline}/stages/new/",
    "pipelines/stages/{stage}/",
    "pipelines/stages/{stage}/end/",
    "custom-fields/",
    "custom-fields/new/",
    "users/",
    "users/{user}/",
    "invitations/",
]
WRITES = [
    "tags/new/",
    "tags/{tag}/",
    "tags/{tag}/delete/",
    "users/{user}/",
    "users/{user}/two-step/reset/",
    "invitations/",
    "pipelines/new/",
    "pipelines/order/",
    "pipelines/{pipeline}/order/",
    "pipelines/{pipeline}/stages/new/",
    "pipelines/stages/{stage}/end/",
    "custom-fields/new/",
]


@pytest.fixture
def address(request: pytest.FixtureRequest, alice: User, stages: list[Stage]) -> str:
    tag = Tag.objects.create(name="vip")
    return f"/settings/{request.param}".format(
        user=alice.pk, tag=tag.pk, pipeline=stages[0].pipeline_id, stage=stages[0].pk
    )


@pytest.fixture
def dora(db: None) -> User:
    return User.objects.create_user("dora@example.com", name="Dora", role=User.Role.MANAGER)


@pytest.mark.parametrize("address", [*OWN, *ADMINISTRATORS], indirect=True)
def test_every_page_opens_for_an_administrator_under_the_strict_policy(address: str, alice: User) -> None:
    page = browser_of(alice).get(address)
    html = page.content.decode()
    assert page.status_code == 200
    assert re.findall(r"\sstyle=|<style|\son\w+=|javascript:", html) == []


@pytest.mark.parametrize("address", [*OWN, *ADMINISTRATORS], indirect=True)
def test_a_stranger_is_sent_to_the_login(address: str, client: Client) -> None:
    assert client.get(address).headers["Location"] == f"/login/?next={address}"


@pytest.mark.parametrize("address", OWN, indirect=True)
def test_ones_own_settings_are_open_to_everybody(address: str, bob: User, dora: User) -> None:
    for user in (bob, dora):
        page = browser_of(user).get(address)
        assert page.status_code == 200
        assert "/settings/users/" not in page.content.decode()


@pytest.mark.parametrize("address", ADMINISTRATORS, indirect=True)
def test_what_is_decided_for_all_is_closed_to_managers_and_reps(address: str, bob: User, dora: User) -> None:
    assert [browser_of(user).get(address).status_code for user in (bob, dora)] == [403, 403]


@pytest.mark.parametrize("address", WRITES, indirect=True)
def test_managers_and_reps_write_nothing_of_it(address: str, bob: User, dora: User) -> None:
    form = {"name": "Mine", "email": "mine@example.com", "role": "admin", "language": "en"}
    assert [browser_of(user).post(address, form).status_code for user in (bob, dora)] == [403, 403]
    assert list(Tag.objects.values_list("name", flat=True)) == ["vip"]
    assert User.objects.filter(role="admin").count() == 1


# ---- Vocabularies ----


@pytest.mark.parametrize(
    ("slug", "model"),
    [("tags", Tag), ("sources", Source), ("lost-reasons", LostReason), ("teams", Team)],
)
def test_a_word_is_made_renamed_and_deleted(alice: User, slug: str, model: type[Tag]) -> None:
    browser = browser_of(alice)
    assert (
        browser.post(f"/settings/{slug}/new/", {"name": "Fair"}).headers["Location"] == f"/settings/{slug}/"
    )
    made = model.objects.get(name="Fair")
    browser.post(f"/settings/{slug}/{made.pk}/", {"name": "Spring fair"})
    assert model.objects.get(pk=made.pk).name == "Spring fair"
    assert "Spring fair" in browser.get(f"/settings/{slug}/").content.decode()
    browser.post(f"/settings/{slug}/{made.pk}/delete/")
    assert not model.objects.filter(pk=made.pk).exists()


@pytest.mark.parametrize("slug", ["tags", "sources", "lost-reasons", "teams"])
def test_a_word_is_there_once_whatever_its_case(alice: User, slug: str) -> None:
    browser = browser_of(alice)
    browser.post(f"/settings/{slug}/new/", {"name": "Fair"})
    page = browser.post(f"/settings/{slug}/new/", {"name": "FAIR"})
    assert (page.status_code, page.context["form"].errors["name"]) == (422, ["“FAIR” is there already."])


def test_a_word_says_how_much_it_is_used(alice: User, deal: Deal, actor: Actor) -> None:
    update_deal(deal_id=deal.pk, actor=actor, fields={"tags": ["vip"]})
    tag = Tag.objects.get()
    for name in ("Ana", "Rui"):
        Contact.objects.create(name=name).tags.add(tag)
    browser = browser_of(alice)
    assert [texts(browser.get("/settings/tags/").content.decode(), "end")[-1]] == ["3"]
    assert "It is used 3 times." in browser.get(f"/settings/tags/{tag.pk}/").content.decode()


@pytest.mark.parametrize("slug", ["sources", "lost-reasons"])
def test_a_word_that_deals_rest_on_is_not_deleted(alice: User, deal: Deal, actor: Actor, slug: str) -> None:
    source, reason = Source.objects.create(name="Fair"), LostReason.objects.create(name="Price")
    update_deal(deal_id=deal.pk, actor=actor, fields={"source": source})
    lose_deal(deal_id=deal.pk, lost_reason=reason, actor=actor)
    word = source if slug == "sources" else reason
    page = browser_of(alice).post(f"/settings/{slug}/{word.pk}/delete/", follow=True)
    assert "cannot be deleted" in str(next(iter(page.context["messages"])))
    assert (Source.objects.count(), LostReason.objects.count()) == (1, 1)


# ---- One's own ----


def test_the_profile_is_saved_in_the_language_just_chosen(bob: User) -> None:
    browser = browser_of(bob)
    form = {"name": "Roberto", "language": "pt-br", "time_zone": "America/Sao_Paulo", "role": "admin"}
    page = browser.post("/settings/profile/", form, follow=True)
    assert "Salvo." in str(next(iter(page.context["messages"])))
    bob.refresh_from_db()
    assert (bob.name, bob.language, bob.time_zone) == ("Roberto", "pt-br", "America/Sao_Paulo")
    assert bob.role == User.Role.REP


def test_an_unknown_time_zone_is_refused(bob: User) -> None:
    page = browser_of(bob).post("/settings/profile/", {"name": "Bob", "time_zone": "Moon/Base"})
    assert page.status_code == 422
    bob.refresh_from_db()
    assert bob.time_zone == ""


def test_a_new_password_needs_the_old_one_and_ends_other_sessions(bob: User) -> None:
    here, elsewhere = browser_of(bob), browser_of(bob)
    form = {"old_password": "wrong", "new_password1": "quite a new one", "new_password2": "quite a new one"}
    assert here.post("/settings/security/", form).status_code == 422
    assert here.post("/settings/security/", {**form, "old_password": "bob's password"}).status_code == 302
    assert [browser.get("/deals/").status_code for browser in (here, elsewhere)] == [200, 302]


# ---- Tokens ----


def test_a_token_is_shown_once_and_works(bob: User) -> None:
    browser = browser_of(bob)
    page = browser.post("/settings/tokens/", {"name": "ERP", "lasts": "30", "scopes": ["read"]})
    text = page.context["text"]
    assert text in page.content.decode()
    assert text not in browser.get("/settings/tokens/").content.decode()
    found = find_token(text=text, now=timezone.now())
    assert found is not None
    assert (found.owner, found.name, found.scopes) == (bob, "ERP", ["read"])
    assert find_token(text=text, now=timezone.now() + timedelta(days=31)) is None


def test_a_rep_gives_no_token_more_than_a_rep_may(bob: User) -> None:
    page = browser_of(bob).post("/settings/tokens/", {"name": "ERP", "scopes": ["admin"]})
    assert (page.status_code, list(page.context["form"].errors)) == (422, ["scopes"])
    assert not ApiToken.objects.exists()


def test_everybody_revokes_their_own_tokens_and_administrators_all(
    alice: User, bob: User, charlie: User
) -> None:
    token, _text = create_token(owner=bob, name="Of Bob", scopes=["read"])
    stranger = browser_of(charlie)
    assert stranger.post(f"/settings/tokens/{token.pk}/revoke/").status_code == 404
    assert "Of Bob" not in stranger.get("/settings/tokens/").content.decode()
    assert ApiToken.objects.filter(pk=token.pk).exists()
    browser = browser_of(alice)
    assert "Of Bob" in browser.get("/settings/tokens/").content.decode()
    browser.post(f"/settings/tokens/{token.pk}/revoke/")
    assert not ApiToken.objects.exists()
