"""Rules, attempts and deliveries in plain sentences: what is waited for, what happened, what follows, what helps."""

from datetime import datetime
from http import HTTPStatus

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automations.leases import INTERRUPTED
from automations.models import Attempt, Delivery, Destination, Event, Rule
from automations.reasons import ENDINGS, Reason, answer_advice, error_reason
from crm import formats

_WAITED_FOR = {
    Event.DEAL_CREATED: gettext_lazy("When a deal is created in %(place)s"),
    Event.DEAL_STAGE_CHANGED: gettext_lazy("When a deal enters %(place)s"),
    Event.DEAL_WON: gettext_lazy("When a deal is won in %(place)s"),
    Event.DEAL_LOST: gettext_lazy("When a deal is lost in %(place)s"),
    Event.DEAL_REOPENED: gettext_lazy("When a deal is reopened in %(place)s"),
    Event.DEAL_UPDATED: gettext_lazy("When fields of a deal change in %(place)s"),
    Event.DEAL_DELETED: gettext_lazy("When a deal is deleted in %(place)s"),
    Event.DEAL_STALE: gettext_lazy("When a deal has been in a stage for days in %(place)s"),
    Event.SUBSCRIPTION_RENEWAL_DUE: gettext_lazy("When a subscription is about to renew in %(place)s"),
    Event.CALL_RECORDED: gettext_lazy("When a call is recorded in %(place)s"),
    Event.DEAL_MANUAL: gettext_lazy("When its button on the card is pressed in %(place)s"),
}
_DISABLED = {
    "asked": gettext_lazy("It was disabled because the receiver asked for that in its answer."),
    "failing": gettext_lazy("It was disabled after 120 hours of nothing but failures."),
    "gone": gettext_lazy("It was disabled because the receiver answered 410 Gone."),
}


def describe_rule(rule: Rule) -> str:
    """What a rule waits for: "When a deal enters Proposal"."""
    if rule.event == Event.DEAL_STAGE_CHANGED and rule.from_stage is not None:
        return _leaving(rule.from_stage.name, rule.stage.name if rule.stage else "")
    place = rule.stage or rule.pipeline
    name = place.name if place else _("any pipeline")
    if rule.event == Event.DEAL_STAGE_CHANGED and rule.stage is None:
        return _("When a deal changes its stage in %(place)s") % {"place": name}
    if rule.days is not None and rule.event in _IN_DAYS:
        return _IN_DAYS[Event(rule.event)](rule.days) % {"n": formats.number(rule.days), "place": name}
    return str(_WAITED_FOR[Event(rule.event)] % {"place": name})


def _stale(days: int) -> str:
    if not days:
        return _("As soon as a deal is in %(place)s")
    return ngettext(
        "When a deal has been in %(place)s for %(n)s day",
        "When a deal has been in %(place)s for %(n)s days",
        days,
    )


def _renewing(days: int) -> str:
    if not days:
        return _("On the day a subscription renews in %(place)s")
    return ngettext(
        "%(n)s day before a subscription renews in %(place)s",
        "%(n)s days before a subscription renews in %(place)s",
        days,
    )


_IN_DAYS = {Event.DEAL_STALE: _stale, Event.SUBSCRIPTION_RENEWAL_DUE: _renewing}


def _leaving(former: str, stage: str) -> str:
    if stage:
        return _("When a deal moves from %(former)s to %(stage)s") % {"former": former, "stage": stage}
    return _("When a deal leaves %(former)s") % {"former": former}


def explain_attempt(attempt: Attempt) -> str:
    """What came of one attempt."""
    if attempt.finished_at is None:
        return _("The request is under way, or was broken off with its worker.")
    return explain_answer(status=attempt.status_code, error=attempt.error_code)


def explain_answer(*, status: int | None, error: str) -> str:
    """What a status and an error code say in one sentence."""
    if error == INTERRUPTED:
        return str(error_reason(error).sentence)
    if error and status:
        return _("The receiver began to answer with %(status)s. %(error)s") % {
            "status": _status(status),
            "error": error_reason(error).sentence,
        }
    if error or status is None:
        return str(error_reason(error).sentence)
    if 200 <= status < 300:
        return _("The receiver took it and answered %(status)s.") % {"status": _status(status)}
    if 300 <= status < 400:
        return _("The receiver answered %(status)s; redirects are never followed.") % {
            "status": _status(status)
        }
    return _("The receiver answered %(status)s.") % {"status": _status(status)}


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def explain_delivery(delivery: Delivery, *, last: Attempt | None, now: datetime) -> str:
    """What became of a delivery so far, and what follows; `last` is its newest attempt."""
    if ending := _ending(delivery, has_attempts=last is not None):
        return str(ending.sentence)
    happened = explain_attempt(last) if last else ""
    return f"{happened} {_what_follows(delivery, now=now)}".strip()


def explain_end(delivery: Delivery) -> str:
    """Why a delivery was given up, where its attempts are not at hand."""
    if ending := _ending(delivery, has_attempts=delivery.attempts_made > 0):
        return str(ending.sentence)
    return explain_answer(status=delivery.status_code, error=delivery.error_code)


def _ending(delivery: Delivery, *, has_attempts: bool) -> Reason | None:
    """What ended a delivery, where that was not its attempts."""
    return ENDINGS.get(delivery.reason) or (None if has_attempts else ENDINGS.get(delivery.error_code))


def _what_follows(delivery: Delivery, *, now: datetime) -> str:
    if delivery.state == Delivery.State.PENDING:
        return _what_is_waited_for(delivery, now=now)
    if delivery.state == Delivery.State.FAILED and delivery.trigger != Delivery.Trigger.TEST:
        made = delivery.attempts_made
        return ngettext("Given up after %(n)d attempt.", "Given up after %(n)d attempts.", made) % {"n": made}
    return ""


def _what_is_waited_for(delivery: Delivery, *, now: datetime) -> str:
    if delivery.leased_until is not None:
        return _("It is being sent at this moment.")
    if delivery.destination.status != Destination.Status.ACTIVE:
        return _held(delivery.destination, now=now)
    if delivery.due_at <= now:
        return _("It is due and waits for its turn.")
    when = {"when": formats.ago(delivery.due_at, now=now)}
    return (_("Next attempt %(when)s.") if delivery.attempts_made else _("It is to be sent %(when)s.")) % when


def _held(destination: Destination, *, now: datetime) -> str:
    if destination.status != Destination.Status.FAILING:
        return _("It waits until the destination is switched on again, for 14 days at most.")
    if destination.probe_at is None or destination.probe_at <= now:
        return _("The destination is failing: one delivery is being sent to see whether it is well again.")
    when = formats.ago(destination.probe_at, now=now)
    return _("It is held because the destination is failing; the next try of one delivery is %(when)s.") % {
        "when": when
    }


def explain_destination(destination: Destination, *, waiting: int, now: datetime) -> str:
    """How a destination is and what follows: "Paused until 14:05 after 6 failures in a row. 38 events wait."

    `waiting` is how many deliveries wait for it.
    """
    sentences = [_state_of(destination, now=now)]
    if destination.status != Destination.Status.ACTIVE and waiting:
        sentences.append(
            ngettext("%(n)s event waits.", "%(n)s events wait.", waiting) % {"n": formats.number(waiting)}
        )
    return " ".join(sentences)


def _state_of(destination: Destination, *, now: datetime) -> str:
    if destination.status == Destination.Status.DISABLED:
        return explain_disabled(destination)
    if destination.status == Destination.Status.PAUSED:
        return _("Paused by hand: nothing is sent until it is switched on again.")
    if destination.status == Destination.Status.FAILING:
        return _backing_off(destination, now=now)
    if destination.failures_in_row:
        return _in_row(
            ngettext(
                "The last request failed.", "The last %(n)s requests failed.", destination.failures_in_row
            ),
            destination,
        )
    return _("It takes what it is sent.")


def _backing_off(destination: Destination, *, now: datetime) -> str:
    if destination.probe_at is None or destination.probe_at <= now:
        failed = ngettext(
            "After %(n)s failure in a row one delivery is being sent to see whether it is well again.",
            "After %(n)s failures in a row one delivery is being sent to see whether it is well again.",
            destination.failures_in_row,
        )
        return _in_row(failed, destination)
    failed = ngettext(
        "Paused until %(until)s after %(n)s failure in a row.",
        "Paused until %(until)s after %(n)s failures in a row.",
        destination.failures_in_row,
    )
    return _in_row(failed, destination, until=moment(destination.probe_at, now=now))


def _in_row(text: str, destination: Destination, **also: str) -> str:
    return text % {"n": formats.number(destination.failures_in_row), **also}


def explain_disabled(destination: Destination) -> str:
    """Why a destination is disabled, and what may be done."""
    why = _DISABLED.get(destination.status_reason, gettext_lazy("It is disabled."))
    held = _("Events are held for 14 days; switch it on again to have them sent.")
    return f"{why} {held}"


def explain_last_failure(destination: Destination) -> str:
    """What its newest failure was; empty for one that is well."""
    if destination.last_failure_status is None and not destination.last_failure_error:
        return ""
    return explain_answer(status=destination.last_failure_status, error=destination.last_failure_error)


def moment(then: datetime, *, now: datetime | None = None) -> str:
    """A time in the reader's zone: the hour where it is of the same day as `now`, else with its date."""
    local = timezone.localtime(then)
    if now is not None and local.date() == timezone.localtime(now).date():
        return date_format(local, "TIME_FORMAT")
    return date_format(local, "SHORT_DATETIME_FORMAT")


def advise_delivery(delivery: Delivery, *, last: Attempt | None) -> str:
    """What may be done about a delivery that was not taken; empty for one that was, or that waits its turn."""
    if delivery.state == Delivery.State.DELIVERED:
        return ""
    if ending := _ending(delivery, has_attempts=last is not None):
        return str(ending.advice)
    return advise(last) if last else ""


def advise(attempt: Attempt) -> str:
    """What may help after an attempt; empty for one that was taken or is under way."""
    if attempt.error_code:
        return str(error_reason(attempt.error_code).advice)
    return str(answer_advice(attempt.status_code or 0))
