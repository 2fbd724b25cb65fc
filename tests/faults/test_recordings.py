"""A worker killed while it brings a recording: the next one goes on from where it was."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from crm.actors import Actor
from crm.calls import report_call
from crm.models import Call, Deal
from tests.processes import eventually
from tests.receivers import Receiver, drip, status
from tests.workers import Worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

SOUND = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(range(256)) * 2000
HALF = len(SOUND) // 2


def part_of(call: Call) -> Path | None:
    return next(Path(settings.RECORDING_PARTS).glob(f"{call.pk}-*.part"), None)


def test_a_worker_killed_in_the_middle_of_a_recording_leaves_it_to_the_next(
    start_worker: Callable[[], Worker], deal: Deal, receiver: Receiver
) -> None:
    head = f'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: {len(SOUND)}\r\n\r\n'.encode()
    receiver.answer(drip(head + SOUND[:HALF], b"\x00", every=0.5))
    worker = start_worker()
    facts = {"external_id": "c-1", "direction": "in", "recording_url": receiver.at("/1.wav")}
    call = report_call(system="pbx", facts=facts, deal=deal, actor=Actor.system())
    eventually(lambda: (part := part_of(call)) and part.stat().st_size >= HALF)
    worker.kill_group()
    part = part_of(call)
    assert part is not None
    had = part.stat().st_size
    call.refresh_from_db()
    assert call.recording_state == "downloading"
    rest = {"ETag": '"v1"', "Content-Range": f"bytes {had}-{len(SOUND) - 1}/{len(SOUND)}"}
    receiver.answer(status(206, SOUND[had:], rest))
    Call.objects.update(recording_due_at=timezone.now())  # as when its lease is over
    start_worker()
    eventually(lambda: Call.objects.filter(recording_state="kept").exists(), seconds=60)
    call.refresh_from_db()
    with default_storage.open(str(call.recording_file.name)) as file:
        kept = file.read()
    default_storage.delete(str(call.recording_file.name))
    assert kept[:HALF] + kept[had:] == SOUND[:HALF] + SOUND[had:]
    assert len(kept) == len(SOUND)
    assert receiver.requests[-1].headers["range"] == f"bytes={had}-"
