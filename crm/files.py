"""The door for files on deals.

A file's row is there before its bytes and longer than them. It belongs to no deal until the bytes are on the disk, and
to none again from the moment it is deleted: whatever dies in between leaves a row without a deal, which a sweep clears
away with its bytes. What was accepted is on the disk and in the deal's history.
"""

import logging
import mimetypes
import os
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import Any

from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.announcements import announce_deals
from crm.deals import lock_deals
from crm.deals.door import record_changes
from crm.edits import change_row
from crm.models import Deal, DealFile
from crm.refusals import Refused
from crm.stored import stored_response

LARGEST = 25 * 1024 * 1024  # bytes
ARRIVES_WITHIN = timedelta(hours=1)
AT_A_TIME = 100
_LONGEST_NAME = 200
_FOLDERS = 4  # from a file up to the storage's own: month, year, "deals", the storage

# What a browser is told a file is. Anything else is bytes: nothing that a browser would run comes from our address.
_KNOWN = frozenset(
    {
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/zip",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/csv",
        "text/plain",
    }
)

logger = logging.getLogger(__name__)


class NotKept(Refused):
    """A file that is too large, or empty."""

    code = "invalid"


def keep_file(*, deal: Deal, name: str, content: "File[bytes]", actor: Actor) -> DealFile:
    """Put a file on a deal. It is on the disk when this returns. Raises NotKept, UnknownDeals.

    To be called outside of any transaction: the row has to be there before the bytes are.
    """
    size = content.size or 0
    name = _clean_name(name)
    if size > LARGEST:
        largest = filesizeformat(LARGEST)
        raise NotKept(_("“%(name)s” is larger than %(largest)s.") % {"name": name, "largest": largest})
    if not size:
        raise NotKept(_("“%(name)s” is empty.") % {"name": name})
    stored_as = f"deals/{timezone.now():%Y/%m}/{token_hex(16)}"
    row = DealFile.objects.create(name=name, stored_as=stored_as, size=size, created_by=actor.as_json())
    default_storage.save(stored_as, content)
    _flush(stored_as)
    _put_on(row, deal, actor=actor)
    return row


@transaction.atomic
def _put_on(row: DealFile, deal: Deal, *, actor: Actor) -> None:
    (deal,) = lock_deals([deal.pk])
    if not DealFile.objects.filter(pk=row.pk, deal=None).update(deal=deal):  # swept away: it took an hour
        raise NotKept(_("The upload of “%(name)s” took too long.") % {"name": row.name})
    row.deal = deal
    _tell(deal, actor=actor, before=None, after=row.name)


@transaction.atomic
def delete_file(*, file_id: int, actor: Actor) -> DealFile:
    """Take a file off its deal and out of the storage. Raises DealFile.DoesNotExist."""
    deal_id = DealFile.objects.filter(pk=file_id).values_list("deal_id", flat=True).first()
    if deal_id is None:
        raise DealFile.DoesNotExist
    (deal,) = lock_deals([deal_id])  # before the file, as everybody does
    row = DealFile.objects.select_for_update().get(pk=file_id, deal=deal)
    row.deal = None
    row.save(update_fields=["deal"])
    _tell(deal, actor=actor, before=row.name, after=None)
    transaction.on_commit(lambda: _clear(row.pk), robust=True)  # the sweep clears it too
    return row


def _tell(deal: Deal, *, actor: Actor, before: Any, after: Any) -> None:
    at = timezone.now()
    record_changes([change_row(deal, actor=actor, at=at, field="files", before=before, after=after)])
    announce_deals(pipelines=[deal.pipeline_id], stages=[], deals=[deal.pk], actor=actor)


def sweep(*, now: datetime) -> int:
    """Clear away what belongs to no deal (any more); returns how many files that were."""
    lost = DealFile.objects.filter(deal=None, created_at__lt=now - ARRIVES_WITHIN).order_by("created_at")
    return sum(_clear(pk) for pk in list(lost.values_list("pk", flat=True)[:AT_A_TIME]))


@transaction.atomic
def _clear(file_id: int) -> bool:
    """The bytes first: while there are any, there is a row that leads to them."""
    rows = DealFile.objects.select_for_update(skip_locked=True).filter(pk=file_id, deal=None)
    row = rows.first()
    if row is None:
        return False
    try:
        default_storage.delete(row.stored_as)
    except OSError as error:
        logger.warning("The file %s of nobody could not be removed: %s", row.stored_as, error)
        return False
    row.delete()
    return True


def file_response(request: HttpRequest, row: DealFile) -> HttpResponseBase:
    """The file to be saved, never to be shown by the browser. Raises Http404 where its bytes are gone."""
    answer = stored_response(request, row.stored_as)
    guessed, packed = mimetypes.guess_type(row.name)
    answer["Content-Type"] = guessed if guessed in _KNOWN and not packed else "application/octet-stream"
    answer["Content-Disposition"] = content_disposition_header(True, row.name) or "attachment"
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer


def _clean_name(name: str) -> str:
    """The last part of a path, without what would leave a line or a header, and of a length we keep."""
    last = PurePosixPath(name.replace("\\", "/")).name
    plain = "".join(letter for letter in last if letter.isprintable() and not "\ud800" <= letter <= "\udfff")
    suffix = PurePosixPath(plain).suffix[:20]
    return plain.removesuffix(suffix)[: _LONGEST_NAME - len(suffix)] + suffix or _("File")


def _flush(name: str) -> None:
    """Onto the disk, with the folders that lead to it, so that it is there after a power cut.

    A storage that is no folder keeps that promise itself.
    """
    if not isinstance(default_storage, FileSystemStorage):
        return
    path = Path(default_storage.path(name))
    for place in (path, *path.parents[:_FOLDERS]):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
