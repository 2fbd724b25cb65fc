"""Recordings as people hear them: on the deal's page, by whoever may see the deal, from anywhere in them."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import AsyncClient, Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from crm import recordings
from crm.actors import Actor
from crm.calls import create_call, report_call
from crm.contacts import create_contact
from crm.deals import update_deal
from crm.erasure import erase_contact
from crm.models import Call, Deal, User
from tests.crm.api import ApiClient
from tests.crm.pages import browser_of
from tests.loops import run

SOUND = bytes(range(256)) * 10


@pytest.fixture(autouse=True)
def storage(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def offered(deal: Deal | None) -> Call:
    facts = {"external_id": "c-1", "direction": "in", "from_number": "+5511987654321", "duration_seconds": 61}
    facts |= {"recording_url": "https://calls.example/1.mp3?token=theirs"}
    report_call(system="pbx", facts=facts, deal=deal, actor=Actor.system())
    call = recordings.claim(now=timezone.now())
    assert call is not None
    return call


def kept(deal: Deal | None, media_type: str = "audio/mpeg") -> Call:
    call = offered(deal)
    assert recordings.keep(call, content=ContentFile(SOUND), media_type=media_type, suffix=".mp3")
    return call


def hear(client: Client, call: Call, wanted: str = "") -> Any:
    headers = {"Range": wanted} if wanted else {}
    return client.get(f"/calls/{call.pk}/recording/", headers=headers)


def test_a_kept_recording_is_played_on_the_page_of_its_deal(deal: Deal, alice: User) -> None:
    call = kept(deal)
    page = browser_of(alice).get(f"/deals/{deal.pk}/").content.decode()
    assert "<audio" in page
    assert f'src="/calls/{call.pk}/recording/"' in page
    assert "token=theirs" not in page
    answer = hear(browser_of(alice), call)
    assert (answer.status_code, b"".join(answer.streaming_content)) == (200, SOUND)
    assert {name: answer[name] for name in ("Content-Type", "Content-Length", "X-Content-Type-Options")} == {
        "Content-Type": "audio/mpeg",
        "Content-Length": "2560",
        "X-Content-Type-Options": "nosniff",
    }
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Content-Disposition"] == f'inline; filename="call-{call.pk}.mp3"'


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-", 0, 2559),
        ("bytes=0-1", 0, 1),
        ("bytes=100-199", 100, 199),
        ("bytes=2500-9999", 2500, 2559),
        ("bytes=-60", 2500, 2559),
        ("bytes=-9999", 0, 2559),
    ],
)
def test_a_player_may_begin_anywhere(deal: Deal, alice: User, wanted: str, first: int, last: int) -> None:
    answer = hear(browser_of(alice), kept(deal), wanted)
    assert (answer.status_code, answer["Content-Range"]) == (206, f"bytes {first}-{last}/2560")
    assert answer.content == SOUND[first : last + 1]
    assert answer["Content-Length"] == str(last - first + 1)
    assert (answer["Accept-Ranges"], answer["Content-Type"]) == ("bytes", "audio/mpeg")


@pytest.mark.parametrize("wanted", ["bytes=2560-", "bytes=9999-", "bytes=-0", "bytes=200-100"])
def test_a_range_beyond_the_end_is_416(deal: Deal, alice: User, wanted: str) -> None:
    answer = hear(browser_of(alice), kept(deal), wanted)
    assert (answer.status_code, answer["Content-Range"], answer.content) == (416, "bytes */2560", b"")


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-6", "items=0-1", "bytes=-", "bytes=x-"])
def test_what_is_no_range_is_answered_with_the_whole(deal: Deal, alice: User, wanted: str) -> None:
    answer = hear(browser_of(alice), kept(deal), wanted)
    assert (answer.status_code, b"".join(answer.streaming_content)) == (200, SOUND)


def test_a_long_range_is_answered_with_its_beginning(
    deal: Deal, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm.stored.PIECE", 1000)
    answer = hear(browser_of(alice), kept(deal), "bytes=500-")
    assert (answer["Content-Range"], answer.content) == ("bytes 500-1499/2560", SOUND[500:1500])


@pytest.mark.django_db(transaction=True)
def test_an_asynchronous_server_streams_it_too(
    deal: Deal, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm.stored.PIECE", 1000)
    call = kept(deal)

    async def hear_it() -> list[bytes]:
        client = AsyncClient()
        await client.aforce_login(alice)
        answer: Any = await client.get(f"/calls/{call.pk}/recording/")
        return [piece async for piece in answer.streaming_content]

    pieces = run(hear_it())
    assert list(map(len, pieces)) == [1000, 1000, 560]
    assert b"".join(pieces) == SOUND


def test_only_who_may_see_the_deal_hears_it(
    deal: Deal, actor: Actor, alice: User, bob: User, charlie: User, api: ApiClient
) -> None:
    update_deal(deal_id=deal.pk, actor=actor, fields={"owner": bob})
    call = kept(deal)
    answers = [hear(browser_of(person), call, "bytes=0-0").status_code for person in (alice, bob, charlie)]
    assert answers == [206, 206, 404]
    assert Client().get(f"/calls/{call.pk}/recording/")["Location"].startswith("/login/")
    path, piece = f"/api/v1/calls/{call.pk}/recording/", {"Range": "bytes=0-0"}
    pieces = [ApiClient(person).http.get(path, headers=piece) for person in (bob, charlie)]
    assert [answer.status_code for answer in pieces] == [206, 404]


def test_the_recording_of_a_call_without_a_deal_is_for_who_spoke_and_who_sees_all(
    alice: User, bob: User, charlie: User
) -> None:
    call = kept(None)
    Call.objects.update(agent=bob)
    answers = [hear(browser_of(person), call, "bytes=0-0").status_code for person in (alice, bob, charlie)]
    assert answers == [206, 206, 404]


def test_what_is_no_sound_is_never_shown(deal: Deal, alice: User) -> None:
    answer = hear(browser_of(alice), kept(deal, media_type="text/html"), "bytes=0-")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment;")


def test_a_file_that_is_gone_is_404(deal: Deal, alice: User, tmp_path: Path) -> None:
    call = kept(deal)
    (tmp_path / str(Call.objects.get().recording_file.name)).unlink()
    assert hear(browser_of(alice), call).status_code == 404


def test_the_api_says_where_the_recording_is_and_gives_it(deal: Deal, api: ApiClient) -> None:
    call = kept(deal)
    said = api.get(f"calls/{call.pk}/").json()
    assert said["recording_file"] == f"http://testserver/api/v1/calls/{call.pk}/recording/"
    assert said["recording_state"] == "kept"
    headers = {"Range": "bytes=10-19", "Accept": "audio/*"}
    piece = api.http.get(f"/api/v1/calls/{call.pk}/recording/", headers=headers)
    assert (piece.status_code, piece.content) == (206, SOUND[10:20])


def test_what_stands_in_the_way_is_told_and_tried_again_by_a_button(deal: Deal, alice: User) -> None:
    call = offered(deal)
    recordings.give_up(call, problem="http 403")
    browser = browser_of(alice)
    page = browser.get(f"/deals/{deal.pk}/").content.decode()
    assert "Recording: Could not be downloaded" in " ".join(page.split())
    assert "The provider answered 403. Check the credentials in the endpoint’s settings." in page.replace(
        "&#x27;", "’"
    )
    assert "<audio" not in page
    retry = f"/calls/{call.pk}/recording/retry/"
    assert f'action="{retry}"' in page
    assert browser.post(retry).headers["Location"] == f"/deals/{deal.pk}/"
    fresh = Call.objects.get()
    assert (fresh.recording_state, fresh.recording_problem) == ("waiting", "")
    again = browser.post(retry, follow=True).content.decode()
    assert "There is no download to try again." in again


def test_a_stranger_presses_no_retry(deal: Deal, charlie: User) -> None:
    call = offered(deal)
    recordings.give_up(call, problem="slow")
    assert browser_of(charlie).post(f"/calls/{call.pk}/recording/retry/").status_code == 404
    assert Call.objects.get().recording_state == "failed"


def test_the_api_tries_again_too(deal: Deal, api: ApiClient) -> None:
    call = offered(deal)
    path = f"calls/{call.pk}/retry_recording/"
    assert api.post(path).status_code == 422
    recordings.give_up(call, problem="slow")
    assert api.post(path).json()["recording_state"] == "waiting"


def test_every_problem_has_a_sentence() -> None:
    for code in recordings.PROBLEMS:
        assert "%" not in recordings.explain_problem(f"{code} 7")
    assert recordings.explain_problem("http 500") == "The provider answered 500."
    assert recordings.explain_problem("something new") == "The provider's answer was not valid HTTP."


def test_erasing_a_contact_takes_number_and_voice_out_of_the_calls(
    deal: Deal,
    actor: Actor,
    tmp_path: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    ana = create_contact(actor=actor, fields={"name": "Ana", "phones": ["+5511987654321"]})
    bea = create_contact(actor=actor, fields={"name": "Bea"})
    update_deal(deal_id=deal.pk, actor=actor, fields={"contact": ana})
    recorded = kept(Deal.objects.get())
    numbers = {"from_number": "+551130000000", "to_number": "+5511987654321"}
    outgoing = create_call(actor=actor, fields={"direction": "out", **numbers})
    others = create_call(actor=actor, fields={"direction": "in", "contact": bea, "deal": deal, **numbers})
    with django_capture_on_commit_callbacks(execute=True):
        erase_contact(contact_id=ana.pk, actor=actor)
    for call in (recorded, outgoing, others):
        call.refresh_from_db()
    assert (recorded.from_number, recorded.recording_url, recorded.recording_state) == ("", "", "")
    assert recorded.duration_seconds == 61
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert (outgoing.from_number, outgoing.to_number) == ("+551130000000", "")
    assert (others.from_number, others.to_number) == (numbers["from_number"], numbers["to_number"])
