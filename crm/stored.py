"""A kept file as an answer: whole, or the piece that a player asks for, so that it can begin anywhere in it."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import IO

from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

PIECE = 1024 * 1024  # bytes; a longer range is answered with its beginning, and players ask for the rest
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def stored_response(request: HttpRequest, name: str) -> HttpResponseBase:
    """200, 206 for one range, 416 for one beyond the end. Raises Http404 where nothing is kept under that name.

    The caller says what it is; nothing else than that may be made of it.
    """
    if not name:
        raise Http404
    try:
        file = default_storage.open(name)
    except OSError as error:
        raise Http404 from error
    answer = _answer(request, file, size=file.size)
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Accept-Ranges"] = "bytes"
    answer["Cache-Control"] = "private, no-store"  # who may have it is asked each time
    return answer


def _answer(request: HttpRequest, file: IO[bytes], *, size: int) -> HttpResponseBase:
    wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
    if wanted is None or not any(wanted.groups()):
        whole = _AsyncPieces(file) if isinstance(request, ASGIRequest) else _Pieces(file)
        answer = StreamingHttpResponse(whole)
        answer["Content-Length"] = str(size)
        return answer
    with file:
        first, last = _ends(wanted[1], wanted[2], size=size)
        if first > last:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
        file.seek(first)
        piece = file.read(min(last - first + 1, PIECE))
    named = f"bytes {first}-{first + len(piece) - 1}/{size}"
    return HttpResponse(
        piece, status=206, headers={"Content-Range": named, "Content-Length": str(len(piece))}
    )


def _ends(first: str, last: str, *, size: int) -> tuple[int, int]:
    """The first and the last byte that a range means; the first is behind the last where it means none."""
    if not first:  # the last so many
        return max(0, size - int(last)), size - 1 if int(last) else -1
    return int(first), min(int(last), size - 1) if last else size - 1


class _Pieces:
    """The file piece by piece. It is closed with the answer, also where nobody reads it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def close(self) -> None:
        self.file.close()

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.file.read(PIECE):
            yield piece


class _AsyncPieces(_Pieces):
    """The same for an asynchronous server, which would else read the whole into memory first."""

    __iter__ = None  # type: ignore[assignment]  # Django asks for this first

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = sync_to_async(self.file.read, thread_sensitive=False)
        while piece := await read(PIECE):
            yield piece
