"""Recordings brought from a provider that is slow, breaks off, refuses, lies or leads astray."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as present
from django.core.files.storage import default_storage
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from crm.actors import Actor
from crm.calls import create_call, report_call
from crm.models import Call, Deal, User
from crm.recordings import WAITS
from tests.crm.api import ApiClient
from tests.receivers import Receiver, Wire, drip, flood, hang, raw, redirect, status
from webhooks import recordings
from webhooks.endpoints import update_endpoint
from webhooks.models import InboundEndpoint

SOUND = b"RIFF" + (400_000).to_bytes(4, "little") + b"WAVEfmt " + bytes(range(256)) * 1600
WAV = {"Content-Type": "audio/x-wav", "ETag": '"v1"'}
SYSTEM = Actor.system()


@pytest.fixture(autouse=True)
def places(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.RECORDING_PARTS = tmp_path / "parts"


@pytest.fixture
def other() -> Iterator[Receiver]:
    with closing(Receiver()) as receiver:
        yield receiver


@pytest.fixture
def offer(deal: Deal, endpoint: InboundEndpoint) -> Callable[[str], Call]:
    def offer(url: str) -> Call:
        facts = {"external_id": "c-1", "direction": "in", "recording_url": url}
        return report_call(system=endpoint.system, facts=facts, deal=deal, actor=SYSTEM)

    return offer


def fetch(*, after: timedelta = timedelta(0)) -> Call:
    """Bring what is due, as if `after` had gone by, and return the call as it then is."""
    if after:
        call = Call.objects.get()
        assert call.recording_due_at is not None
        Call.objects.update(recording_due_at=call.recording_due_at - after)
    recordings.fetch_due()
    return Call.objects.get()


def waits_for(call: Call) -> int:
    """Seconds until the next try."""
    assert call.recording_due_at is not None
    return round((call.recording_due_at - timezone.now()).total_seconds())


def kept(call: Call) -> bytes:
    assert (call.recording_state, call.recording_problem) == ("kept", "")
    with default_storage.open(str(call.recording_file.name)) as file:
        return bytes(file.read())


def cut(
    body: bytes, *, of: int, code: int = 200, headers: dict[str, str] | None = None
) -> Callable[[Wire], None]:
    """The beginning of an answer of `of` bytes, then the end of the connection."""
    lines = [f"HTTP/1.1 {code} Status", f"Content-Length: {of}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def test_a_recording_that_is_offered_is_brought_and_kept(receiver: Receiver, offer: Any) -> None:
    receiver.answer(status(200, SOUND, WAV))
    assert offer(receiver.at("/1.wav")).recording_state == "waiting"
    call = fetch()
    assert kept(call) == SOUND
    assert (call.recording_type, str(call.recording_file.name)[-4:]) == ("audio/wav", ".wav")
    (asked,) = receiver.wait_for(1)
    assert (asked.method, asked.headers["accept-encoding"]) == ("GET", "identity")
    assert "authorization" not in asked.headers
    assert list(Path(present.RECORDING_PARTS).iterdir()) == []


def test_what_was_cut_in_the_middle_goes_on_from_there(receiver: Receiver, offer: Any) -> None:
    half = len(SOUND) // 2
    rest = {**WAV, "Content-Range": f"bytes {half}-{len(SOUND) - 1}/{len(SOUND)}"}
    receiver.answer(cut(SOUND[:half], of=len(SOUND), headers=WAV), status(206, SOUND[half:], rest))
    offer(receiver.at("/1.wav"))
    assert kept(fetch()) == SOUND  # far enough to go on at once
    _first, second = receiver.wait_for(2)
    assert (second.headers["range"], second.headers["if-range"]) == (f"bytes={half}-", '"v1"')


def test_a_little_of_it_is_a_try_in_vain_and_kept_for_the_next(receiver: Receiver, offer: Any) -> None:
    rest = {"Content-Range": f"bytes 1000-{len(SOUND) - 1}/{len(SOUND)}"}
    receiver.answer(cut(SOUND[:1000], of=len(SOUND)), status(206, SOUND[1000:], rest))
    offer(receiver.at("/1.wav"))
    call = fetch()
    assert (call.recording_state, call.recording_problem) == ("waiting", "cut")
    assert abs(waits_for(call) - WAITS[0].total_seconds()) <= 2
    assert kept(fetch(after=WAITS[0])) == SOUND
    assert "if-range" not in receiver.wait_for(2)[1].headers  # it names no version; the length stands for it


def test_a_provider_that_sends_the_whole_again_is_taken_at_its_word(receiver: Receiver, offer: Any) -> None:
    other_sound = SOUND[:-1] + b"!"
    receiver.answer(
        cut(SOUND[:200_000], of=len(SOUND), headers=WAV), status(200, other_sound, {"ETag": '"v2"'})
    )
    offer(receiver.at("/1.wav"))
    assert kept(fetch()) == other_sound


@pytest.mark.parametrize(
    "answer",
    [
        status(416, b""),
        status(206, SOUND[5:], {"Content-Range": f"bytes 5-{len(SOUND) - 1}/{len(SOUND)}"}),
        status(206, SOUND[200_000:], {"Content-Range": "bytes 200000-777777/777778"}),
        status(206, SOUND[200_000:]),
    ],
    ids=["no such range", "another range", "another length", "no range named"],
)
def test_a_piece_that_does_not_fit_lets_it_begin_anew(receiver: Receiver, offer: Any, answer: Any) -> None:
    receiver.answer(cut(SOUND[:200_000], of=len(SOUND), headers=WAV), answer, status(200, SOUND, WAV))
    offer(receiver.at("/1.wav"))
    assert fetch().recording_state == "waiting"
    assert kept(fetch(after=WAITS[0])) == SOUND
    assert "range" not in receiver.wait_for(3)[2].headers


def test_what_cannot_be_known_again_begins_anew(receiver: Receiver, offer: Any) -> None:
    chunk = b"186a0\r\n" + SOUND[:100_000] + b"\r\n"  # no length and no version
    receiver.answer(
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk), status(200, SOUND, WAV)
    )
    offer(receiver.at("/1.wav"))
    assert fetch().recording_problem == "cut"
    assert kept(fetch(after=WAITS[0])) == SOUND
    assert "range" not in receiver.wait_for(2)[1].headers


def test_a_slow_provider_is_left_in_time_and_gone_on_with(
    receiver: Receiver, offer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "TRY_SECONDS", 1.0)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(SOUND)}\r\n\r\n".encode()
    rest = {"Content-Range": f"bytes 100000-{len(SOUND) - 1}/{len(SOUND)}"}
    receiver.answer(drip(head + SOUND[:99_000], b"x"), status(206, b"", rest))
    offer(receiver.at("/1.wav"))
    monkeypatch.setattr(recordings, "TASK_SECONDS", 0.5)  # one try is all this task has time for
    call = fetch()
    assert (call.recording_state, call.recording_tries, call.recording_problem) == ("waiting", 0, "")
    part = next(Path(present.RECORDING_PARTS).glob("*.part")).read_bytes()
    assert part[:99_000] == SOUND[:99_000]
    assert 99_000 < len(part) < 100_000


def test_a_provider_that_says_nothing_is_left_in_time(
    receiver: Receiver, offer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "TRY_SECONDS", 0.5)
    receiver.answer(hang)
    offer(receiver.at("/1.wav"))
    call = fetch()
    assert (call.recording_state, call.recording_problem) == ("waiting", "slow")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (
            status(200, b"<html><script>alert(1)</script></html>" * 9, {"Content-Type": "audio/mpeg"}),
            "not_audio",
        ),
        (status(200, SOUND, {"Content-Type": "text/html; charset=utf-8"}), "not_audio text/html"),
        (status(200, b'{"error": "not yet"}'), "not_audio"),
        (status(200, b""), "empty"),
        (status(404), "http 404"),
        (raw(b"not http at all\r\n\r\n"), "bad_answer 1"),
    ],
    ids=["page called sound", "sound called page", "json", "nothing", "404", "no http"],
)
def test_what_is_no_recording_is_not_kept(receiver: Receiver, offer: Any, answer: Any, problem: str) -> None:
    receiver.answer(answer)
    offer(receiver.at("/1.wav"))
    call = fetch()
    assert (call.recording_state, call.recording_problem, call.recording_file.name) == (
        "waiting",
        problem,
        "",
    )
    assert list(Path(present.RECORDING_PARTS).iterdir()) == []


def test_a_refusal_that_passes_is_tried_again(receiver: Receiver, offer: Any) -> None:
    receiver.answer(403, status(200, SOUND, WAV))
    offer(receiver.at("/1.wav"))
    call = fetch()
    assert (call.recording_state, call.recording_problem) == ("waiting", "http 403")
    assert kept(fetch(after=WAITS[0])) == SOUND


def test_a_provider_that_names_a_wait_is_given_it(receiver: Receiver, offer: Any) -> None:
    receiver.answer(status(429, headers={"Retry-After": "120"}))
    offer(receiver.at("/1.wav"))
    assert 110 <= waits_for(fetch()) <= 120


@pytest.mark.parametrize(
    "answer",
    [
        cut(SOUND[:100], of=5_000_000, headers=WAV),
        flood(b"HTTP/1.1 200 OK\r\n\r\n" + SOUND, bytes(65_536), 64),
    ],
    ids=["by its length", "by what comes"],
)
def test_what_is_too_large_is_given_up_at_once(
    receiver: Receiver, offer: Any, answer: Any, settings: Settings
) -> None:
    settings.MAX_RECORDING_BYTES = 2 * 2**20
    receiver.answer(answer)
    offer(receiver.at("/1.wav"))
    call = fetch()
    assert (call.recording_state, call.recording_problem) == ("failed", "too_large 2")
    assert list(Path(present.RECORDING_PARTS).iterdir()) == []


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/1.wav",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://[::ffff:10.0.0.1]/",
    ],
)
def test_a_redirect_to_where_nobody_may_go_is_refused(receiver: Receiver, offer: Any, target: str) -> None:
    receiver.answer(redirect(target))
    offer(receiver.at("/1.wav"))
    call = fetch()
    assert (call.recording_state, call.recording_problem) == ("failed", "address")


def test_a_recording_offered_at_a_private_address_is_refused(offer: Any) -> None:
    offer("http://192.168.0.1/1.wav")
    assert Call.objects.get().recording_state == "waiting"
    call = fetch()
    assert (call.recording_state, call.recording_problem) == ("failed", "address")


def test_redirects_without_end_end(receiver: Receiver, offer: Any) -> None:
    receiver.answer(redirect("/again"))
    offer(receiver.at("/1.wav"))
    assert fetch().recording_problem == "redirects"
    assert len(receiver.requests) == recordings.MOST_REDIRECTS + 1


def test_a_recording_that_cannot_be_written_is_tried_again(receiver: Receiver, offer: Any) -> None:
    receiver.answer(status(200, SOUND, WAV))
    offer(receiver.at("/1.wav"))
    media = Path(present.MEDIA_ROOT)
    media.write_text("a file where the directory should be")
    call = fetch()
    assert (call.recording_state, call.recording_problem) == ("waiting", "disk")
    media.unlink()
    assert kept(fetch(after=WAITS[0])) == SOUND


def test_another_url_never_gets_the_bytes_of_the_former(receiver: Receiver, offer: Any) -> None:
    receiver.answer(cut(SOUND[:1000], of=len(SOUND), headers=WAV))
    offer(receiver.at("/1.wav"))
    fetch()
    receiver.answer(status(200, SOUND, WAV))
    offer(receiver.at("/2.wav"))
    assert kept(fetch()) == SOUND
    assert "range" not in receiver.wait_for(2)[1].headers


def test_parts_that_nobody_adds_to_are_removed(receiver: Receiver, offer: Any) -> None:
    receiver.answer(cut(SOUND[:1000], of=len(SOUND), headers=WAV))
    offer(receiver.at("/1.wav"))
    fetch()
    places = Path(present.RECORDING_PARTS)
    recordings.cut_parts(now=timezone.now() + timedelta(days=6))
    assert len(list(places.iterdir())) == 2
    recordings.cut_parts(now=timezone.now() + timedelta(days=8))
    assert list(places.iterdir()) == []


# ---- Credentials ----


def grant(endpoint: InboundEndpoint, **access: Any) -> None:
    fields = {"recording_auth": {"hosts": ["127.0.0.1"], "secret": "s3cret", **access}}
    update_endpoint(endpoint_id=endpoint.pk, fields=fields)


@pytest.mark.parametrize(
    ("access", "header", "value", "path"),
    [
        ({"scheme": "basic", "username": "AC1"}, "authorization", "Basic QUMxOnMzY3JldA==", "/1.wav?a=1"),
        ({"scheme": "bearer"}, "authorization", "Bearer s3cret", "/1.wav?a=1"),
        ({"scheme": "header", "name": "X-Api-Key"}, "x-api-key", "s3cret", "/1.wav?a=1"),
        ({"scheme": "query", "name": "key"}, "", None, "/1.wav?a=1&key=s3cret"),
    ],
)
def test_the_endpoints_credentials_are_sent_as_its_setting_says(
    receiver: Receiver, offer: Any, endpoint: InboundEndpoint, access: Any, header: str, value: Any, path: str
) -> None:
    grant(endpoint, **access)
    receiver.answer(status(200, SOUND))
    offer(receiver.at("/1.wav?a=1"))
    fetch()
    (asked,) = receiver.wait_for(1)
    assert (asked.path, asked.headers.get(header)) == (path, value)


def test_a_redirect_to_another_host_gets_no_credentials(
    receiver: Receiver, other: Receiver, offer: Any, endpoint: InboundEndpoint
) -> None:
    grant(endpoint, scheme="bearer", hosts=["127.0.0.1", "localhost"])
    receiver.answer(redirect("/2.wav"), redirect(other.at("/3.wav").replace("127.0.0.1", "localhost")))
    other.answer(status(200, SOUND))
    offer(receiver.at("/1.wav"))
    assert kept(fetch()) == SOUND
    assert [it.headers.get("authorization") for it in receiver.requests] == ["Bearer s3cret"] * 2
    assert [it.headers.get("authorization") for it in other.requests] == [None]


def test_a_host_the_setting_does_not_name_gets_no_credentials(
    receiver: Receiver, offer: Any, endpoint: InboundEndpoint
) -> None:
    grant(endpoint, scheme="bearer", hosts=["calls.example.com", "*.example.com"])
    offer(receiver.at("/1.wav"))
    fetch()
    assert "authorization" not in receiver.wait_for(1)[0].headers


def test_a_url_that_a_person_gave_gets_no_credentials(
    receiver: Receiver, offer: Any, endpoint: InboundEndpoint, alice_api: ApiClient
) -> None:
    grant(endpoint, scheme="bearer")
    receiver.answer(status(200, SOUND))
    call = offer("https://calls.example/1.mp3")
    alice_api.patch(f"calls/{call.pk}/", recording_url=receiver.at("/somebody-elses.wav"))
    fetch()
    assert "authorization" not in receiver.wait_for(1)[0].headers


@pytest.fixture
def alice_api(db: None) -> ApiClient:
    return ApiClient(User.objects.create_user("alice@example.com", "a password", role=User.Role.ADMIN))


def test_the_credentials_are_a_setting_that_is_never_shown(
    alice_api: ApiClient, endpoint: InboundEndpoint
) -> None:
    access = {"scheme": "basic", "username": "AC1", "hosts": ["api.example.com"]}
    answer = alice_api.patch(
        f"inbound_endpoints/{endpoint.pk}/", recording_auth={**access, "secret": "t0ken-of-theirs"}
    )
    assert answer.json()["recording_auth"] == access
    assert "t0ken-of-theirs" not in json.dumps(answer.json())
    endpoint.refresh_from_db()
    assert endpoint.recording_secret == "t0ken-of-theirs"


@pytest.mark.parametrize(
    "access",
    [
        {"scheme": "bearer", "secret": "x"},
        {"scheme": "bearer", "hosts": [], "secret": "x"},
        {"scheme": "bearer", "hosts": ["https://a.example"], "secret": "x"},
        {"scheme": "bearer", "hosts": ["*.com"], "secret": "x"},
        {"scheme": "bearer", "hosts": ["a.example"], "secret": "x\ny"},
        {"scheme": "bearer", "hosts": ["a.example"]},
        {"scheme": "header", "name": "Host", "hosts": ["a.example"], "secret": "x"},
        {"scheme": "header", "hosts": ["a.example"], "secret": "x"},
        {"scheme": "digest", "hosts": ["a.example"], "secret": "x"},
        {"scheme": "none", "secret": "x"},
        {"scheme": "none", "colour": "red"},
        {},
    ],
)
def test_an_access_that_makes_no_sense_is_refused(
    alice_api: ApiClient, endpoint: InboundEndpoint, access: Any
) -> None:
    answer = alice_api.patch(f"inbound_endpoints/{endpoint.pk}/", recording_auth=access)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"].startswith("recording_auth")
    endpoint.refresh_from_db()
    assert (endpoint.recording_auth, endpoint.recording_secret) == ({"scheme": "none"}, None)


def test_a_secret_is_kept_unless_it_would_go_somewhere_else(
    endpoint: InboundEndpoint, alice_api: ApiClient
) -> None:
    def set_to(**access: Any) -> tuple[int, str | None]:
        answer = alice_api.patch(f"inbound_endpoints/{endpoint.pk}/", recording_auth=access)
        endpoint.refresh_from_db()
        return answer.status_code, endpoint.recording_secret

    hosts = ["a.example", "b.example"]
    assert set_to(scheme="bearer", hosts=hosts, secret="x1") == (200, "x1")
    assert set_to(scheme="bearer", hosts=["a.example"]) == (200, "x1")
    assert set_to(scheme="bearer", hosts=["a.example", "evil.example"]) == (400, "x1")
    assert set_to(scheme="header", name="X", hosts=["a.example"]) == (400, "x1")
    assert set_to(scheme="none") == (200, None)


def test_a_worker_brings_one_recording_at_a_time(receiver: Receiver, offer: Any, deal: Deal) -> None:
    offer(receiver.at("/1.wav"))
    with recordings._slot() as first:
        elsewhere = connections["default"].copy()
        try:
            with elsewhere.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", recordings._lock())
                assert (first, cursor.fetchone()[0]) == (True, False)
        finally:
            elsewhere.close()


def test_a_recording_the_api_was_told_of_is_brought_too(receiver: Receiver, deal: Deal) -> None:
    receiver.answer(status(200, b"ID3" + bytes(500)))
    create_call(
        fields={"deal": deal, "direction": "in", "recording_url": receiver.at("/1.mp3")}, actor=SYSTEM
    )
    assert fetch().recording_type == "audio/mpeg"
