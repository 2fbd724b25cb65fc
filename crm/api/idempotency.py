"""`Idempotency-Key`: a POST that is sent again is answered again and not done again, for 24 hours.

The effect and the answer that is kept are one transaction, so there is never one without the other. Of two equal
requests at once the second waits for the first at an advisory lock and then finds its answer.
"""

import hashlib
import json
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crm.models import IdempotentAnswer

KEPT_FOR = timedelta(hours=24)
_LONGEST_KEY = 255
_FORGOTTEN_AT_ONCE = 100


class KeyReused(ValidationError):
    """The key came before with another request."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            {"Idempotency-Key": [_("This key was used for another request.")]}, self.default_code
        )


class _Replay(Exception):
    """Not an error: the request is answered already."""

    def __init__(self, answer: IdempotentAnswer) -> None:
        self.answer = answer


class IdempotentPosts(APIView):
    """A view whose POSTs honour `Idempotency-Key`.

    Actions that call other machines are named in `calls_out`: they must not hold a transaction open, so the key
    does nothing there.
    """

    calls_out: ClassVar[frozenset[str]] = frozenset()
    _key = ""
    _is_first = False

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        action = getattr(self, "action_map", {}).get("post")
        if request.method == "POST" and action not in self.calls_out:
            self._key = request.headers.get("Idempotency-Key", "")
        whole: AbstractContextManager[Any] = transaction.atomic() if self._key else nullcontext()
        try:
            with whole:
                return super().dispatch(request, *args, **kwargs)
        except IntegrityError as error:  # of the commit: what was referred to is gone, and nothing happened
            self._key, self._is_first = "", False
            return self.finalize_response(self.request, self.handle_exception(error), *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self._key:
            self._look_for_answer(request)

    def handle_exception(self, exc: Exception) -> Response:
        if not isinstance(exc, _Replay):
            return super().handle_exception(exc)
        return Response(
            exc.answer.body, status=exc.answer.status_code, headers={"Idempotency-Replayed": "true"}
        )

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if self._key and response.status_code >= 500:
            transaction.set_rollback(True)  # nothing happened, so the next try is the first
        elif self._is_first:
            self._keep(request, response)
        return response

    def _look_for_answer(self, request: Request) -> None:
        if len(self._key) > _LONGEST_KEY or not self._key.isprintable():
            raise ValidationError({"Idempotency-Key": [_("At most %d printable characters.") % _LONGEST_KEY]})
        _lock(f"{request.user.pk}:{self._key}")
        answer = IdempotentAnswer.objects.filter(
            owner=request.user.pk, key=self._key, created_at__gt=timezone.now() - KEPT_FOR
        ).first()
        if answer is None:
            self._is_first = True
        elif answer.request_digest == _digest(request):
            raise _Replay(answer)
        else:
            raise KeyReused

    def _keep(self, request: Request, response: Response) -> None:
        now = timezone.now()
        IdempotentAnswer.objects.update_or_create(
            owner_id=request.user.pk,
            key=self._key,
            defaults={
                "request_digest": _digest(request),
                "status_code": response.status_code,
                "body": json.loads(request.accepted_renderer.render(response.data) or "null"),
                "created_at": now,
            },
        )
        forget_old_answers(now=now)


def forget_old_answers(*, now: datetime) -> None:
    """Delete some of the answers that are not replayed any more; locked ones are somebody else's to delete."""
    old = IdempotentAnswer.objects.filter(created_at__lt=now - KEPT_FOR)
    some = old.select_for_update(skip_locked=True).values("pk")[:_FORGOTTEN_AT_ONCE]
    IdempotentAnswer.objects.filter(pk__in=list(some.values_list("pk", flat=True))).delete()


def _lock(name: str) -> None:
    """Hold the lock of that name until the transaction ends."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def _digest(request: Request) -> str:
    raw = request._request  # noqa: SLF001  # the body as it came, which DRF offers after parsing no more
    whole = f"{raw.method} {raw.get_full_path()}\n".encode() + raw.body
    return hashlib.sha256(whole).hexdigest()
