"""Telling people things: a notice in the application, and the same by e-mail.

A notice is written in its reader's language when the thing happens, in the transaction of what it tells. Its mail is
sent by a task after the commit, and again by a sweep where that failed; or with others once a day, or never, as the
reader wishes. We mark a notice as mailed before the mail
leaves and take that back when the server refuses it, because a mail lost with its process is still in the application,
while one sent twice annoys.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, time, timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F, Min, Q, QuerySet
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_q.tasks import async_task

from crm import formats
from crm.models import Notice, User
from crm.notice_mails import mail_of

Text = str | Promise | Callable[[], str]
# How old a notice is at each try of its mail; after the last it stays in the application alone.
MAILED_AFTER = (
    timedelta(0),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
)
_MAILS_AT_ONCE = 50
DIGEST_AT = time(8)  # where the reader is
_IN_A_DIGEST = 200
_DAY = timedelta(days=1)
BATCH = 500  # notices removed in one transaction
_BATCHES = 40  # in one sweep
# The server looked at this very mail and said no; anything else says that the server itself is not there.
_REFUSED = (SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused)

logger = logging.getLogger(__name__)


@transaction.atomic
def notify(
    *, users: Iterable[User], kind: str, subject: Text, body: Text = "", url: str = ""
) -> list[Notice]:
    """Tell `users` something, each in their language and time zone; mails follow the commit.

    `subject` (one line) and `body` are texts, lazy translations, or functions that are called once per reader.
    `url` is a path of ours that shows more.
    """
    notices = []
    for user in users:
        with as_read_by(user):
            line = " ".join(_written(subject).split())[:200]
            mail = mail_of(user, kind=kind)
            notices.append(
                Notice(user=user, kind=kind, subject=line, body=_written(body), url=url, mail=mail)
            )
    made = Notice.objects.bulk_create(notices)
    if made:
        transaction.on_commit(
            lambda: async_task("crm.tasks.mail_notices"), robust=True
        )  # a sweep mails them too
    return made


def as_read_by(user: User) -> ExitStack:
    """The language and the time zone of a person, for the length of a `with`."""
    stack = ExitStack()
    stack.enter_context(translation.override(user.language or settings.LANGUAGE_CODE))
    stack.enter_context(timezone.override(ZoneInfo(user.time_zone or settings.TIME_ZONE)))
    return stack


def _written(text: Text) -> str:
    return text() if callable(text) else str(text)


def mail_due(*, now: datetime) -> int:
    """Send the mails whose turn it is and return how many left. No transaction may be open.

    Ends at the first sign that the mail server is not there: the next sweep tries again.
    """
    sent = 0
    for notice in Notice.objects.filter(_due(now)).select_related("user").order_by("pk")[:_MAILS_AT_ONCE]:
        if not _claim(notice, now=now):
            continue
        try:
            _mail_of(notice).send()
        except _REFUSED as error:
            _take_back([notice], error)
        except OSError as error:
            _take_back([notice], error)
            break
        else:
            sent += 1
    return sent


def _due(now: datetime) -> Q:
    turns = Q(pk__in=[])
    for tries, age in enumerate(MAILED_AFTER):
        turns |= Q(mail_tries=tries, created_at__lte=now - age)
    return Q(turns, mail=Notice.Mail.NOW, mailed_at__isnull=True, user__is_active=True)


def _claim(notice: Notice, *, now: datetime) -> bool:
    """Mark a notice as mailed, unless somebody else has; of two that try, one may send it."""
    unclaimed = Notice.objects.filter(pk=notice.pk, mailed_at__isnull=True, mail_tries=notice.mail_tries)
    return bool(unclaimed.update(mailed_at=now, mail_tries=notice.mail_tries + 1))


def _take_back(notices: Sequence[Notice], error: OSError) -> None:
    ids = [notice.pk for notice in notices]
    Notice.objects.filter(pk__in=ids).update(mailed_at=None)
    logger.warning("The mail of notices %s did not leave: %s", ids, error)


def _mail_of(notice: Notice) -> EmailMessage:
    return EmailMessage(subject=notice.subject, body=_text_of(notice) + "\n", to=[notice.user.email])


def _text_of(notice: Notice) -> str:
    link = settings.PUBLIC_URL + notice.url if notice.url else ""
    return "\n\n".join(part for part in (notice.body, link) if part)


def mail_digests(*, now: datetime) -> int:
    """Send what people want once a day and have not read, when it is 8:00 where they are or that was missed; returns
    how many mails left. No transaction may be open. Ends as `mail_due` does."""
    sent = 0
    for user, since in _digest_readers(now):
        notices = _claim_digest(user, before=since, now=now)
        if not notices:
            continue
        try:
            _digest_of(user, notices).send()
        except OSError as error:
            _take_back(notices, error)
            if not isinstance(error, _REFUSED):
                break
        else:
            sent += 1
    return sent


def _undigested() -> QuerySet[Notice]:
    unmailed = Notice.objects.filter(mailed_at__isnull=True, read_at__isnull=True, mail=Notice.Mail.DIGEST)
    return unmailed.filter(user__is_active=True, mail_tries__lt=len(MAILED_AFTER))


def _digest_readers(now: datetime) -> Iterator[tuple[User, datetime]]:
    """Those whose hour has come since the oldest of what they have not got, with that hour."""
    oldest = dict(_undigested().order_by().values_list("user").annotate(at=Min("created_at")))
    for user in User.objects.filter(pk__in=oldest).order_by("pk"):
        since = _last_digest_hour(user, now=now)
        if oldest[user.pk] < since:
            yield user, since


def _last_digest_hour(user: User, *, now: datetime) -> datetime:
    local = now.astimezone(ZoneInfo(user.time_zone or settings.TIME_ZONE))
    hour = datetime.combine(local.date(), DIGEST_AT, tzinfo=local.tzinfo)
    return hour if hour <= local else datetime.combine(local.date() - _DAY, DIGEST_AT, tzinfo=local.tzinfo)


@transaction.atomic
def _claim_digest(user: User, *, before: datetime, now: datetime) -> list[Notice]:
    """Mark as mailed what is to be in it, as `_claim` does; what was tried before waits for its next turn."""
    turns = Q(pk__in=[])
    for tries, age in enumerate(MAILED_AFTER):
        if before + age <= now:
            turns |= Q(mail_tries=tries)
    due = _undigested().filter(turns, user=user, created_at__lt=before).order_by("pk")
    notices = list(due.select_for_update(of=("self",), skip_locked=True)[:_IN_A_DIGEST])
    rows = Notice.objects.filter(pk__in=[notice.pk for notice in notices])
    rows.update(mailed_at=now, mail_tries=F("mail_tries") + 1)
    return notices


def _digest_of(user: User, notices: Sequence[Notice]) -> EmailMessage:
    with as_read_by(user):
        subject = ngettext("%(n)s notice", "%(n)s notices", len(notices)) % {
            "n": formats.number(len(notices))
        }
        foot = _("All notices: %(url)s") % {"url": f"{settings.PUBLIC_URL}/notices/"}
    texts = [f"{notice.subject}\n{_text_of(notice)}".strip() for notice in notices]
    return EmailMessage(subject=subject, body="\n\n".join([*texts, foot]) + "\n", to=[user.email])


def mark_read(*, user: User, now: datetime, notice_id: int | None = None) -> int:
    """Mark one notice of a person as read, or all of them; returns how many were unread."""
    unread = user.notices.filter(read_at__isnull=True)
    return (unread if notice_id is None else unread.filter(pk=notice_id)).update(read_at=now)


def cut_read(*, now: datetime) -> int:
    """Remove what was read and is older than deliveries are kept; returns how many notices that were.

    One sweep in short transactions; the next one goes on where it leaves off.
    """
    before, removed = now - timedelta(days=settings.KEEP_DELIVERIES_DAYS), 0
    for _turn in range(_BATCHES):
        count = _remove_batch(before)
        removed += count
        if count < BATCH:
            break
    return removed


@transaction.atomic
def _remove_batch(before: datetime) -> int:
    old = Notice.objects.filter(read_at__isnull=False, created_at__lt=before).order_by("created_at")
    chosen = old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH]
    return Notice.objects.filter(pk__in=list(chosen)).delete()[0]
