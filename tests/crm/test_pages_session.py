"""Logging in and out, the language, and what holds for every page."""

import re

import pytest
from django.test import Client

from crm.models import Deal, Pipeline, User
from tests.crm.pages import browser_of, texts

PAGES = ["/", "/pipelines/{pipeline}/", "/deals/", "/deals/{deal}/", "/contacts/", "/companies/"]


@pytest.fixture(params=PAGES)
def address(request: pytest.FixtureRequest, pipeline: Pipeline, deal: Deal) -> str:
    return str(request.param).format(pipeline=pipeline.pk, deal=deal.pk)


def test_a_stranger_is_sent_to_the_login_and_comes_back_to_the_page(
    client: Client, address: str, alice: User
) -> None:
    login = client.get(address).headers["Location"]
    assert login == f"/login/?next={address}"
    form = {"username": "Alice@Example.com", "password": "alice's password", "next": address}
    assert client.post(login, form).headers["Location"] == address


def test_every_page_keeps_to_the_strict_policy(address: str, alice: User) -> None:
    response = browser_of(alice).get(address)
    html = response.content.decode()
    assert response.status_code == 200
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    assert re.findall(r"\sstyle=|<style|\son\w+=|javascript:", html) == []
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html))


def test_a_wrong_password_is_refused_without_telling_which_was_wrong(client: Client, alice: User) -> None:
    page = client.post("/login/", {"username": "alice@example.com", "password": "wrong"})
    assert "do not belong together" in texts(page.content.decode(), "callout bad")[0]
    assert "_auth_user_id" not in client.session


def test_logging_out_ends_the_session(alice: User) -> None:
    browser = browser_of(alice)
    assert browser.post("/logout/").headers["Location"] == "/login/"
    assert browser.get("/").status_code == 302


def test_the_language_is_remembered_in_the_browser_and_with_the_user(client: Client, alice: User) -> None:
    client.post("/language/", {"language": "pt-br", "next": "/login/"})
    assert '<html lang="pt-br"' in client.get("/login/").content.decode()
    browser = browser_of(alice)
    browser.post("/language/", {"language": "pt-br"})
    alice.refresh_from_db()
    assert alice.language == "pt-br"
    assert "Sair" in browser_of(alice).get("/deals/").content.decode()


def test_an_unknown_language_changes_nothing_and_a_foreign_address_is_not_followed(alice: User) -> None:
    browser = browser_of(alice)
    response = browser.post("/language/", {"language": "xx", "next": "https://evil.example/"})
    alice.refresh_from_db()
    assert (response.headers["Location"], alice.language) == ("/", "")


def test_the_theme_of_the_cookie_is_on_the_page_from_the_first_byte(client: Client, db: None) -> None:
    client.cookies["theme"] = "dark"
    assert 'data-theme="dark"' in client.get("/login/").content.decode()


def test_what_does_not_exist_is_a_friendly_404(alice: User) -> None:
    page = browser_of(alice).get("/deals/999999/")
    assert page.status_code == 404
    assert "There is nothing here" in page.content.decode()


def test_only_administrators_are_shown_the_automations(alice: User, bob: User, deal: Deal) -> None:
    assert "/automations/rules/new/?pipeline=" in browser_of(alice).get("/").content.decode()
    assert "/automations/" not in browser_of(bob).get("/").content.decode()
