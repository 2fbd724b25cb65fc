"""The door for calls: parts that arrive apart make one call, and nothing that is known is lost."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from crm import recordings
from crm.actors import Actor
from crm.calls import create_call, report_call, update_call
from crm.deals import create_deal
from crm.models import Call, Deal, Stage
from tests.crm.api import ApiClient, errors
from tests.processes import eventually, waiting_for_locks

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SYSTEM = Actor.system()


@pytest.fixture(autouse=True)
def storage(settings: Settings, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


def report(deal: Deal | None, *, occurred_at: datetime | None = None, **facts: Any) -> Call:
    facts = {"external_id": "c-1", **facts}
    return report_call(system="pbx", facts=facts, deal=deal, actor=SYSTEM, occurred_at=occurred_at)


def test_start_end_and_recording_of_a_call_are_one_call(deal: Deal) -> None:
    report(deal, direction="in", from_number="+5511912345678", status="ringing", started_at=NOON)
    report(deal, duration_seconds=61, status="answered")
    report(deal, recording_url="https://calls.example/1.mp3")
    (call,) = Call.objects.values("direction", "from_number", "status", "started_at", "duration_seconds")
    assert call == {
        "direction": "in",
        "from_number": "+5511912345678",
        "status": "answered",
        "started_at": NOON,
        "duration_seconds": 61,
    }


def test_what_is_told_empty_leaves_what_is_known(deal: Deal) -> None:
    report(deal, direction="out", duration_seconds=61, status="answered")
    report(deal, direction="", duration_seconds=None, status="")
    call = Call.objects.get()
    assert (call.direction, call.duration_seconds, call.status) == ("out", 61, "answered")


def test_a_duration_of_no_seconds_is_told(deal: Deal) -> None:
    report(deal, duration_seconds=61)
    report(deal, duration_seconds=0)
    assert Call.objects.get().duration_seconds == 0


def test_an_older_report_only_fills_in_what_nobody_has_told(deal: Deal) -> None:
    report(deal, occurred_at=NOON, status="answered", recording_url="https://calls.example/1.mp3")
    report(deal, occurred_at=NOON - timedelta(minutes=1), status="ringing", direction="in")
    call = Call.objects.get()
    assert (call.status, call.direction, call.reported_at) == ("answered", "in", NOON)


def test_a_call_that_came_without_a_deal_gets_one_and_keeps_it(
    deal: Deal, actor: Actor, stages: list[Stage]
) -> None:
    assert report(None, status="ringing").deal is None
    assert report(deal, status="answered").deal == deal
    other = create_deal(actor=actor, stage=stages[0], title="Another")
    assert report(other, duration_seconds=5).deal == deal


def test_reports_without_an_id_are_calls_of_their_own(deal: Deal) -> None:
    report(deal, external_id="", status="answered")
    report(deal, external_id="", status="answered")
    assert Call.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_halves_of_a_call_at_the_same_moment_are_one_call(deal: Deal) -> None:
    halves = [{"direction": "in", "status": "answered"}, {"duration_seconds": 61}]

    def tell(facts: dict[str, Any]) -> None:
        report(deal, **facts)
        connection.close()

    threads = [threading.Thread(target=tell, args=[facts]) for facts in halves]
    with transaction.atomic():  # both come while a third is making the very call
        report(None, from_number="+5511912345678")
        for thread in threads:
            thread.start()
        eventually(lambda: waiting_for_locks() == 2)
    for thread in threads:
        thread.join()
    call = Call.objects.get()
    assert (call.direction, call.status, call.duration_seconds) == ("in", "answered", 61)
    assert (call.from_number, call.deal) == ("+5511912345678", deal)


def test_a_change_of_one_field_leaves_what_happened_to_the_others_meanwhile(deal: Deal) -> None:
    call = create_call(fields={"deal": deal, "direction": "in"}, actor=SYSTEM)
    Call.objects.filter(pk=call.pk).update(duration_seconds=61)
    update_call(call_id=call.pk, fields={"status": "answered"}, actor=SYSTEM)
    fresh = Call.objects.get()
    assert (fresh.duration_seconds, fresh.status) == (61, "answered")


def test_the_api_refuses_a_second_call_of_the_same_external_id(api: ApiClient, deal: Deal) -> None:
    assert api.post("calls/", deal=deal.pk, direction="in", external_id="c-1").status_code == 201
    refused = api.post("calls/", deal=deal.pk, direction="in", external_id="c-1")
    assert (refused.status_code, errors(refused)) == (409, [("conflict", None)])
    assert Call.objects.count() == 1


def test_the_api_refuses_a_time_that_no_page_could_show(api: ApiClient, deal: Deal) -> None:
    refused = api.post("calls/", deal=deal.pk, direction="in", started_at="0001-01-01T00:00:00Z")
    assert errors(refused) == [("invalid", "started_at")]
    made = api.post("calls/", deal=deal.pk, direction="in").json()
    assert api.patch(f"calls/{made['id']}/", started_at="9999-12-31T23:59:59Z").status_code == 400


def test_a_call_without_a_direction_is_refused_by_the_api(api: ApiClient, deal: Deal) -> None:
    assert errors(api.post("calls/", deal=deal.pk)) == [("required", "direction")]


# ---- The states of a recording ----


def waiting(deal: Deal) -> Call:
    return report(deal, recording_url="https://calls.example/1.mp3")


def claimed(deal: Deal) -> Call:
    waiting(deal)
    call = recordings.claim(now=recordings_due())
    assert call is not None
    return call


def recordings_due() -> datetime:
    due_at = Call.objects.get().recording_due_at
    assert due_at is not None
    return due_at


def test_a_recording_is_claimed_once_until_its_lease_is_over(deal: Deal) -> None:
    call = claimed(deal)
    assert (call.recording_state, call.recording_tries) == ("downloading", 1)
    assert recordings.claim(now=recordings_due() - timedelta(seconds=1)) is None
    again = recordings.claim(now=recordings_due())
    assert again is not None
    assert again.recording_tries == 2


def test_the_waits_grow_and_after_the_last_the_recording_is_given_up(deal: Deal) -> None:
    waiting(deal)
    waits = []
    while (call := recordings.claim(now=(now := recordings_due()))) and recordings.put_off(
        call, problem="http 403", now=now
    ):
        if Call.objects.get().recording_state == "failed":
            break
        waits.append(recordings_due() - now)
    assert waits == recordings.WAITS
    assert Call.objects.values_list("recording_state", "recording_problem").get() == ("failed", "http 403")


def test_a_recording_whose_tries_all_end_with_their_process_is_given_up(deal: Deal) -> None:
    waiting(deal)
    tries = 0
    while recordings.claim(now=recordings_due()) is not None:
        tries += 1
        if tries > len(recordings.WAITS):
            break
    assert recordings.claim(now=recordings_due()) is None
    assert Call.objects.values_list("recording_state", "recording_problem").get() == ("failed", "stopped")


def test_a_claim_that_was_lost_ends_nothing(deal: Deal) -> None:
    late = claimed(deal)
    recordings.claim(now=recordings_due())
    assert not recordings.give_up(late, problem="slow")
    assert not recordings.keep(late, content=ContentFile(b"x"), media_type="audio/wav", suffix=".wav")
    assert Call.objects.get().recording_state == "downloading"
    assert default_storage.listdir("") == ([], []) or not any(
        default_storage.listdir(f"recordings/{datetime.now(UTC):%Y/%m}")[1]
    )


def test_another_url_lets_go_of_the_recording_that_was_kept(
    deal: Deal, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    call = claimed(deal)
    recordings.keep(call, content=ContentFile(b"x"), media_type="audio/wav", suffix=".wav")
    name = str(Call.objects.get().recording_file.name)
    assert default_storage.exists(name)
    with django_capture_on_commit_callbacks(execute=True):
        report(deal, recording_url="https://calls.example/2.mp3")
    fresh = Call.objects.get()
    assert (fresh.recording_state, fresh.recording_file.name, fresh.recording_type) == ("waiting", "", "")
    assert not default_storage.exists(name)


def test_a_deal_that_is_deleted_takes_the_recordings_of_its_calls_along(
    deal: Deal, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    recordings.keep(claimed(deal), content=ContentFile(b"x"), media_type="audio/wav", suffix=".wav")
    name = str(Call.objects.get().recording_file.name)
    with django_capture_on_commit_callbacks(execute=True):
        deal.delete()
    assert not default_storage.exists(name)


def test_only_what_stands_still_is_tried_again(deal: Deal) -> None:
    call = claimed(deal)
    with pytest.raises(recordings.NotRetryable):
        recordings.retry(call_id=call.pk, now=NOON)
    recordings.give_up(call, problem="too_large 100")
    recordings.retry(call_id=call.pk, now=NOON)
    fresh = Call.objects.get()
    assert (fresh.recording_state, fresh.recording_tries, fresh.recording_problem) == ("waiting", 0, "")
    assert fresh.recording_due_at == NOON
