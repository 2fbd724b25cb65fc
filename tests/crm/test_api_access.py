from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from crm.models import ApiToken, Deal, Pipeline, Stage, Tag, User
from crm.refusals import InvalidFields
from crm.tokens import create_token, find_token
from tests.crm.api import ApiClient, errors


def test_without_a_valid_token_there_is_no_api(db: None) -> None:
    for headers in ({}, {"Authorization": "Bearer sth_made_up"}, {"Authorization": "Bearer "}):
        answer = Client(headers=headers).get("/api/v1/deals/")
        assert (answer.status_code, answer.json()["type"]) == (401, "client_error")
        assert answer["WWW-Authenticate"] == "Bearer"


def test_a_token_is_kept_as_a_digest_and_dies_with_its_date_or_its_owner(alice: User) -> None:
    now = timezone.now()
    token, text = create_token(owner=alice, name="t", scopes=["read"], expires_at=now + timedelta(minutes=1))
    assert text.startswith("sth_")
    assert text not in str(ApiToken.objects.values().get())
    assert find_token(text=text, now=now) == token
    assert find_token(text=text, now=now + timedelta(minutes=2)) is None
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert find_token(text=text, now=now) is None


def test_the_use_of_a_token_is_noted_once_a_minute(api: ApiClient) -> None:
    start = timezone.now().replace(microsecond=0)
    noted = []
    for seconds in (0, 59, 61):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            api.get("tags/")
        noted.append(ApiToken.objects.get().last_used_at)
    assert noted == [start, start, start + timedelta(seconds=61)]


def test_a_token_never_has_more_than_its_owner(bob: User) -> None:
    with pytest.raises(InvalidFields):
        create_token(owner=bob, name="t", scopes=["read", "admin"])
    assert not ApiToken.objects.exists()
    promoted = User.objects.create_user("eve@example.com", role=User.Role.ADMIN)
    client = ApiClient(promoted)
    User.objects.filter(pk=promoted.pk).update(role=User.Role.REP)
    assert client.post("pipelines/", name="Hers").status_code == 403
    assert not Pipeline.objects.exists()


def test_each_scope_opens_what_it_says_and_nothing_more(alice: User, stages: list[Stage]) -> None:
    read, write, admin = (ApiClient(alice, scope) for scope in ("read", "write", "admin"))
    sent: dict[str, Any] = {"title": "A deal", "stage": stages[0].pk}
    assert [client.get("deals/").status_code for client in (read, write, admin)] == [200, 403, 403]
    assert [client.post("deals/", **sent).status_code for client in (read, admin, write)] == [403, 403, 201]
    assert [client.post("sources/", name="x").status_code for client in (read, write, admin)] == [
        403,
        403,
        201,
    ]
    assert Deal.objects.count() == 1


def test_configuration_is_read_by_all_and_written_by_administrators(bob: User, pipeline: Pipeline) -> None:
    manager = ApiClient(User.objects.create_user("mia@example.com", role=User.Role.MANAGER))
    for client in (ApiClient(bob), manager):
        for path in (
            "pipelines/",
            "stages/",
            "sources/",
            "lost_reasons/",
            "custom_fields/",
            "teams/",
        ):
            assert client.get(path).status_code == 200
            assert client.post(path, name="x").status_code == 403
        assert client.patch(f"pipelines/{pipeline.pk}/", name="x").status_code == 403
        assert client.get("users/").status_code == 403
        assert client.post("tags/", name=f"of {client.owner.pk}").status_code == 201
    assert (Pipeline.objects.get().name, Tag.objects.count()) == ("Sales", 2)


def test_a_session_works_too_and_needs_the_csrf_token_for_writes(bob: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(bob)
    assert browser.get("/api/v1/tags/").status_code == 200
    refused = browser.post("/api/v1/tags/", {"name": "x"}, content_type="application/json")
    assert (refused.status_code, errors(refused), Tag.objects.count()) == (
        403,
        [("permission_denied", None)],
        0,
    )


def test_times_are_utc_whatever_the_persons_time_zone(alice: User, deal: Deal) -> None:
    User.objects.filter(pk=alice.pk).update(time_zone="America/Sao_Paulo")
    browser = Client()
    browser.force_login(alice)
    shown = browser.get(f"/api/v1/deals/{deal.pk}/").json()
    assert shown["created_at"] == deal.created_at.isoformat().replace("+00:00", "Z")


def test_people_see_their_own_tokens_and_make_none_that_may_do_more(
    alice: User, bob: User, charlie: User
) -> None:
    as_bob, as_charlie = ApiClient(bob), ApiClient(charlie)
    made = as_bob.post("tokens/", name="another", scopes=["read"])
    assert (made.status_code, made.json()["token"][:4]) == (201, "sth_")
    assert "token" not in as_bob.get(f"tokens/{made.json()['id']}/").json()
    assert as_charlie.get(f"tokens/{made.json()['id']}/").status_code == 404
    assert as_charlie.delete(f"tokens/{made.json()['id']}/").status_code == 404
    writer = ApiClient(bob, "write")
    for client, scope in ((as_bob, "admin"), (writer, "read")):
        refused = client.post("tokens/", name="more", scopes=[scope])
        assert (refused.status_code, errors(refused)) == (400, [("invalid", "scopes")])
    assert ApiClient(alice).delete(f"tokens/{made.json()['id']}/").status_code == 204


def test_the_command_prints_a_token_and_nothing_else(alice: User, bob: User) -> None:
    printed = StringIO()
    call_command("create_token", "Bob@Example.com", "--name", "script", stdout=printed)
    token = find_token(text=printed.getvalue().strip(), now=timezone.now())
    assert token is not None
    assert (token.owner, token.name, token.scopes) == (bob, "script", ["read", "write"])
    for arguments in (["nobody@example.com"], ["bob@example.com", "--scope", "admin"]):
        with pytest.raises(CommandError):
            call_command("create_token", *arguments)
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("path", ["/api/v1/nothing/", "/api/v2/", "/api/v1/deals/x/", "/api/v1/deals/99999/"])
def test_what_does_not_exist_answers_404_in_the_one_error_shape(api: ApiClient, path: str) -> None:
    answer = api.http.get(path)
    assert (answer.status_code, answer.json()["type"], errors(answer)) == (
        404,
        "client_error",
        [("not_found", None)],
    )


def _no_secrets(shown: dict[str, Any]) -> bool:
    return not {"password", "digest"} & set(shown)


def test_administrators_make_users_whose_passwords_nobody_reads(api: ApiClient) -> None:
    weak = api.post("users/", email="dora@example.com", name="Dora", password="12345")
    assert (weak.status_code, {attr for _code, attr in errors(weak)}) == (400, {"password"})
    made = api.post("users/", email="dora@example.com", name="Dora", password="correct horse battery")
    assert made.status_code == 201
    assert _no_secrets(made.json())
    assert Client().login(email="dora@example.com", password="correct horse battery")
    again = api.post("users/", email="DORA@example.com", name="Dora")
    assert again.status_code in (400, 409)
    assert User.objects.filter(email__iexact="dora@example.com").count() == 1
