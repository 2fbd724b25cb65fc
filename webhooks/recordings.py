"""Brings recordings of calls from the provider into our storage: in pieces, resumed where they were cut.

The bytes gather in a part file of this machine until they are whole. A worker brings one recording at a time, so that
slow providers never hold more than one of its places, and for at most TASK_SECONDS before it lets others have their
turn; what is not whole by then goes on from where it is, as far as the provider can do that (HTTP ranges).
"""

import hashlib
import json
import logging
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.core.files import File
from django.db import connection
from django.utils import timezone

from crm.models import Call
from crm.recordings import claim, give_up, go_on, keep, put_off
from webhooks.audio import BEGINNING, Sound, sound_of
from webhooks.downloads import DownloadProblem, Head, Network, get
from webhooks.recording_access import Access, access_for

log = logging.getLogger(__name__)

TASK_SECONDS = 30.0  # after these no further recording is begun
TRY_SECONDS = 40.0  # of one try; together well below the time limit of a task
SLOT_LOCKS = 0x534A  # the class of advisory locks that say "this worker is bringing a recording"
KEEP_PARTS = timedelta(days=7)
MOST_REDIRECTS = 5
PROGRESS = 64 * 1024  # bytes that make a try no try in vain
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_REDIRECTS = (301, 302, 303, 307, 308)
_NO_SOUND = ("text/", "image/", "video/x-", "application/json", "application/xml", "application/pdf")


def fetch_due() -> int:
    """Bring what is due, the longest waiting first, and return how many were taken up; none where this worker is
    bringing one already."""
    began, fetched = time.monotonic(), 0
    with _slot() as is_free:
        while is_free and time.monotonic() - began < TASK_SECONDS:
            call = claim(now=timezone.now())
            if call is None:
                break
            fetch(call)
            fetched += 1
    return fetched


@contextmanager
def _slot() -> Iterator[bool]:
    """This worker's place for a download, held by the connection and so given back by a process that dies."""
    lock = _lock()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", lock)
        is_free = bool(cursor.fetchone()[0])
        try:
            yield is_free
        finally:
            if is_free:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", lock)


def _lock() -> list[int]:
    return [SLOT_LOCKS, zlib.crc32(settings.WORKER_NAME.encode()) - 2**31]


def cut_parts(*, now: datetime) -> None:
    """Remove the parts that nobody has added to for a week: their calls are gone, or have another recording."""
    before = (now - KEEP_PARTS).timestamp()
    for path in Path(settings.RECORDING_PARTS).glob("*"):
        with suppress(FileNotFoundError):  # another worker was faster
            if path.stat().st_mtime < before:
                path.unlink()


def fetch(call: Call) -> None:
    """One try for a claimed recording: kept, handed back, put off or given up."""
    part = Part(call)
    had = part.size
    try:
        _download(call.recording_url.partition("#")[0], access_for(call), part)
        sound = part.sound()
    except DownloadProblem as problem:
        _take_problem(call, part, problem, progress=part.size - had)
    except OSError:
        log.exception("The recording of call %s could not be written.", call.pk)
        put_off(call, problem="disk", now=timezone.now())
    else:
        _keep(call, part, sound)


def _keep(call: Call, part: "Part", sound: Sound) -> None:
    try:
        with part.path.open("rb") as file:
            keep(call, content=File(file), media_type=sound.media_type, suffix=sound.suffix)
    except OSError:
        log.exception("The recording of call %s could not be kept.", call.pk)
        put_off(call, problem="disk", now=timezone.now())
    else:
        part.discard()


def _take_problem(call: Call, part: "Part", problem: DownloadProblem, *, progress: int) -> None:
    now = timezone.now()
    if problem.is_final or not part.can_go_on:
        part.discard()
    if problem.is_final:
        give_up(call, problem=problem.told)
    elif part.size and progress >= PROGRESS and problem.code in {"slow", "cut"}:
        go_on(call, now=now)
    else:
        put_off(call, problem=problem.told, now=now, at_least=problem.wait)


def _download(url: str, access: Access, part: "Part") -> None:
    """Follow the way to the file and write what is missing of it into the part. Raises DownloadProblem."""
    network = Network(
        allowed=settings.ALLOWED_PRIVATE_NETWORKS,
        allow_http=settings.ALLOW_HTTP,
        proxy=settings.OUTGOING_PROXY,
    )
    deadline = time.monotonic() + TRY_SECONDS
    for _hop in range(MOST_REDIRECTS + 1):
        asked, credentials = access.dress(url)
        head = get(
            asked,
            headers={**_HEADERS, **part.range_headers(), **credentials},
            seconds=deadline - time.monotonic(),
            network=network,
            receive=part.receive,
        )
        if head.status not in _REDIRECTS:
            _judge(head, part)
            return
        url = _next_url(url, head)
    raise DownloadProblem("redirects")


_HEADERS = {
    "User-Agent": f"Stagehook/{settings.VERSION}",
    "Accept": "audio/*, application/octet-stream;q=0.9, */*;q=0.5",
    "Accept-Encoding": "identity",
}


def _next_url(url: str, head: Head) -> str:
    to = urljoin(url, head.headers.get("location", ""))
    if not head.headers.get("location") or (url.startswith("https:") and not to.startswith("https:")):
        raise DownloadProblem("redirects")
    return to.partition("#")[0]


def _judge(head: Head, part: "Part") -> None:
    """Raise DownloadProblem for every answer that is no file."""
    if head.status == 416:  # what is there is no part of what the provider has
        part.discard()
        raise DownloadProblem("cut")
    if head.status not in (200, 206):
        raise DownloadProblem("http", head.status, wait=_retry_after(head))
    if not part.size:
        raise DownloadProblem("empty")


def _retry_after(head: Head) -> timedelta:
    seconds = head.headers.get("retry-after", "")
    return (
        timedelta(seconds=min(int(seconds), 86_400)) if re.fullmatch(r"[0-9]{1,9}", seconds) else timedelta(0)
    )


class Part:
    """What is there of one URL of a call, beside a note of what it is a part of: which version, and how long.

    The URL is in the file's name, so that a call that has got another one never gets the bytes of both.
    """

    def __init__(self, call: Call) -> None:
        directory = Path(settings.RECORDING_PARTS)
        directory.mkdir(parents=True, exist_ok=True)
        name = f"{call.pk}-{hashlib.sha256(call.recording_url.encode()).hexdigest()[:16]}"
        self.path, self._note_path = directory / f"{name}.part", directory / f"{name}.json"
        self._begun: Head | None = None
        self._note = self._read_note()

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def can_go_on(self) -> bool:
        """Whether a later piece can be known to belong to this one."""
        return bool(self._note.get("version") or self._note.get("total"))

    def range_headers(self) -> dict[str, str]:
        if not self.size or not self.can_go_on:
            return {}
        version = self._note.get("version")
        return {"Range": f"bytes={self.size}-", **({"If-Range": version} if version else {})}

    def receive(self, head: Head, chunk: bytes) -> None:
        """Write a piece. Raises DownloadProblem as soon as this cannot become a recording we keep."""
        if self._begun is not head:
            self._begin(head)
            self._begun = head
        had = self.size
        if had + len(chunk) > settings.MAX_RECORDING_BYTES:
            raise _too_large()
        with self.path.open("ab") as file:
            file.write(chunk)
        if had < BEGINNING <= had + len(chunk):
            self.sound()

    def sound(self) -> Sound:
        """What it is, by its content. Raises DownloadProblem where that is no sound."""
        with self.path.open("rb") as file:
            sound = sound_of(file.read(BEGINNING))
        if sound is None:
            self.discard()
            raise DownloadProblem("not_audio")
        return sound

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)
        self._note = {}

    def _begin(self, head: Head) -> None:
        """Go on, or begin anew where the answer is the whole file."""
        length = head.headers.get("content-length", "")
        if length.isdecimal() and int(length) > settings.MAX_RECORDING_BYTES:
            raise _too_large()
        kind = head.headers.get("content-type", "").lower()
        if kind.startswith(_NO_SOUND):
            raise DownloadProblem("not_audio", kind.partition(";")[0][:60])
        if head.status == 206:
            self._check_range(head)
            return
        self.discard()
        self._note = {"version": _version(head), "total": length}
        self._note_path.write_text(json.dumps(self._note))

    def _check_range(self, head: Head) -> None:
        found = _RANGE.fullmatch(head.headers.get("content-range", ""))
        total = self._note.get("total")
        fits = found and int(found[1]) == self.size and (not total or found[2] in ("*", total))
        if not found or not fits:
            self.discard()
            raise DownloadProblem("cut")
        if int(found[2] if found[2] != "*" else 0) > settings.MAX_RECORDING_BYTES:
            raise _too_large()

    def _read_note(self) -> dict[str, Any]:
        try:
            note: Any = json.loads(self._note_path.read_text())
        except (OSError, ValueError):
            return {}
        return dict(note) if isinstance(note, Mapping) else {}


def _version(head: Head) -> str:
    """What If-Range may name: a strong entity tag, else the date of the last change."""
    tag = head.headers.get("etag", "")
    return tag if tag.startswith('"') else head.headers.get("last-modified", "")


def _too_large() -> DownloadProblem:
    return DownloadProblem("too_large", settings.MAX_RECORDING_BYTES // 2**20, is_final=True)
