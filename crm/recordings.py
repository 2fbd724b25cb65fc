"""What becomes of a call's recording: told of, waiting, being downloaded, kept or given up.

The states change here and nowhere else, each by an UPDATE that repeats the old state. The bytes are brought by
whoever knows the network (see `recording_offered`), who takes a recording up with `claim` and ends with `keep`,
`put_off` or `give_up`. A claim is a lease: a process that dies costs a wait and nothing else.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from crm.actors import Actor
from crm.announcements import announce_deals
from crm.models import Call, Deal
from crm.refusals import Refused

State = Call.RecordingState

LEASE = timedelta(seconds=150)  # longer than a try may last
# After each try in vain; a recording that is not there yet mostly is within a minute.
WAITS = [timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200, 21_600, 86_400)]


# Why a try was in vain, by the code under which it is kept; the detail follows the code.
PROBLEMS = {
    "address": _("The recording is at an address that may not be called."),
    "bad_answer": _("The provider's answer was not valid HTTP."),
    "disk": _("Stagehook could not write the recording; its log says more."),
    "cut": _("The provider broke the download off."),
    "empty": _("The provider sent nothing."),
    "http": _("The provider answered %(detail)s."),
    "not_audio": _("What the provider sent is no sound. %(detail)s"),
    "redirects": _("The provider led from one address to the next, or to one without encryption."),
    "slow": _("The provider did not send the recording in time."),
    "stopped": _("Stagehook was stopped each time while it downloaded the recording."),
    "tls": _("No secure connection: the provider's certificate was not accepted."),
    "too_large": _("The recording is larger than %(detail)s MiB."),
    "unreachable": _("The provider could not be reached."),
}
_HINTS = {
    "401": _("Check the credentials in the endpoint's settings."),
    "403": _("Check the credentials in the endpoint's settings."),
    "404": _("It may not be ready yet, or was removed there."),
}


class NotRetryable(Refused):
    """There is no recording to download, or it is there already or on its way."""

    code = "not_retryable"


def await_recording(call: Call, *, system: str, now: datetime) -> tuple[str, ...]:
    """Set a call's columns for a recording whose URL is new, or gone; returns their names. The caller saves.

    `system` is who told the URL: only what it told is fetched with the credentials meant for it.
    """
    call.recording_state = State.WAITING if call.recording_url else State.NONE
    call.recording_due_at = now if call.recording_url else None
    call.recording_system = system
    call.recording_problem, call.recording_tries, call.recording_type = "", 0, ""
    _delete_file_on_commit(call.recording_file.name)
    call.recording_file = ""
    return (
        *("recording_state", "recording_due_at", "recording_system", "recording_problem"),
        *("recording_tries", "recording_type", "recording_file"),
    )


def claim(*, now: datetime) -> Call | None:
    """Take up the recording that has been due longest; None where none is."""
    for call in _due(now).order_by("recording_due_at", "pk")[:20]:
        mine = _due(now).filter(pk=call.pk, recording_tries=call.recording_tries)
        lease = {"recording_state": State.DOWNLOADING, "recording_due_at": now + LEASE}
        if call.recording_tries > len(WAITS):  # each try ended with its process
            mine.update(recording_state=State.FAILED, recording_problem="stopped", recording_due_at=None)
        elif mine.update(**lease, recording_tries=F("recording_tries") + 1):
            call.refresh_from_db()
            _announce(call)
            return call
    return None


def oldest_due(*, now: datetime) -> datetime | None:
    """Since when the longest waiting recording is due, None where none is."""
    return _due(now).order_by("recording_due_at").values_list("recording_due_at", flat=True).first()


def _due(now: datetime) -> QuerySet[Call]:
    return Call.objects.filter(
        recording_state__in=(State.WAITING, State.DOWNLOADING), recording_due_at__lte=now
    )


def go_on(call: Call, *, now: datetime) -> bool:
    """Hand a claimed recording back, due at once: a part of it is there, and the rest will follow."""
    return _end(call, State.WAITING, recording_due_at=now, recording_tries=0, recording_problem="")


def put_off(call: Call, *, problem: str, now: datetime, at_least: timedelta = timedelta(0)) -> bool:
    """Let a claimed recording wait for its next try; after the last one it is given up. False where it is not ours."""
    if call.recording_tries > len(WAITS):
        return give_up(call, problem=problem)
    wait = max(WAITS[call.recording_tries - 1], min(at_least, WAITS[-1]))
    return _end(call, State.WAITING, recording_due_at=now + wait, recording_problem=problem[:200])


def give_up(call: Call, *, problem: str) -> bool:
    """End in vain, until a person presses retry."""
    return _end(call, State.FAILED, recording_due_at=None, recording_problem=problem[:200])


def keep(call: Call, *, content: "File[bytes]", media_type: str, suffix: str) -> bool:
    """Put a claimed recording into the storage. False where the call is gone or has another recording by now."""
    field = Call._meta.get_field("recording_file")
    wanted = field.generate_filename(call, f"call-{call.pk}-{token_hex(8)}{suffix}")
    name = default_storage.save(wanted, content)
    kept = _end(
        call,
        State.KEPT,
        recording_file=name,
        recording_type=media_type,
        recording_due_at=None,
        recording_problem="",
    )
    if not kept:
        default_storage.delete(name)
    return kept


def retry(*, call_id: int, now: datetime) -> None:
    """Try again, from the first try on. Raises NotRetryable."""
    stuck = Q(recording_state=State.FAILED) | Q(recording_state=State.WAITING, recording_tries__gt=0)
    calls = Call.objects.filter(stuck, pk=call_id).exclude(recording_url="")
    columns = {"recording_state": State.WAITING, "recording_due_at": now, "recording_tries": 0}
    if not calls.update(**columns, recording_problem=""):
        raise NotRetryable(gettext("There is no download to try again."))
    _announce(Call.objects.get(pk=call_id))


def explain_problem(told: str) -> str:
    """A sentence for what `recording_problem` holds."""
    code, _space, detail = told.partition(" ")
    sentence = PROBLEMS.get(code, PROBLEMS["bad_answer"]) % {"detail": detail}
    return f"{sentence} {_HINTS.get(detail, '') if code == 'http' else ''}".strip()


def _end(call: Call, state: Call.RecordingState, **columns: Any) -> bool:
    ours = Call.objects.filter(
        pk=call.pk,
        recording_state=State.DOWNLOADING,
        recording_tries=call.recording_tries,
        recording_url=call.recording_url,
    )
    ended = bool(ours.update(recording_state=state, **columns))
    if ended:
        _announce(call)
    return ended


def _announce(call: Call) -> None:
    """Tell open pages of the deal."""
    deals = Deal.objects.filter(pk=call.deal_id) if call.deal_id else Deal.objects.none()
    for pk, pipeline in deals.values_list("pk", "pipeline"):
        announce_deals(pipelines=[pipeline], stages=[], deals=[pk], actor=Actor.system())


# ---- The file ----


def _delete_file_on_commit(name: str | None) -> None:
    if name:
        transaction.on_commit(lambda: _delete_file(name))


def _delete_file(name: str) -> None:
    with suppress(OSError):
        default_storage.delete(name)


def delete_file_of(instance: Call, **_signal: Any) -> None:
    """A call that is deleted takes its recording along."""
    _delete_file_on_commit(instance.recording_file.name)
