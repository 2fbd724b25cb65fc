"""Live boards: what happens to deals, passed on to open browsers as server-sent events.

A board is told with the cards drawn anew. They are drawn once for all who read the same: two hundred browsers that
fetched them for themselves would keep a process busy for seconds. A stream must not keep a database connection, or
a few hundred open boards exhaust the server; so the one of the login check is given back before it begins, and what is
drawn for all of them is drawn by one thread with one connection.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from zoneinfo import ZoneInfo

from asgiref.sync import sync_to_async
from django.db import Error, close_old_connections, connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone, translation

from crm.board import stage_badges, stage_totals, touched_cards
from crm.card_fields import card_fields
from crm.hub import RETRY, Message, hub
from crm.models import Deal, Pipeline, Stage, User
from crm.views.access import PageRequest
from crm.views.board import drawn, numbers_of, shown_deals
from crm.views.card_fields import field_names
from crm.views.filters import KEPT

KEEPALIVE = 20.0  # seconds of silence after which proxies are shown that the stream is alive
COUNT_AGAIN = 1.0  # seconds between counts of the same columns while changes follow upon each other
LONGEST = 15 * 60.0  # seconds after which a browser must come back, so that its login is checked again

Draw = Callable[[PageRequest, User, Message], dict[str, object]]

_NO_FILTERS = {"since", *KEPT}  # of what a stream is asked for

logger = logging.getLogger(__name__)
_counted_at: dict[Hashable, float] = {}
_artist = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live")


async def live(request: HttpRequest) -> HttpResponseBase:
    """`?pipeline=ID&since=UNIX_SECONDS`: the events `touched` and `missed` (look again).

    `touched` is {"deals": [ids], "by": {id: name}, "answer"}. With `&cards=1` and the board's own filters `answer` is
    how these deals stand on the board now: {"cards", "gone"} of `touched_answer`; else null. The event `numbers`
    follows it, {"columns", "summary"}; of requests alone, `bolts` does, {"columns": [{"stage", "tone", "text"}]}.
    `Last-Event-ID`, which browsers send when they come back by themselves, wins over `since`.
    """
    user = await request.auser()
    pipeline, since = request.GET.get("pipeline", ""), request.GET.get("since", "")
    if not isinstance(user, User):
        return HttpResponse(status=403)
    try:
        number, moment = int(pipeline), float(request.headers.get("Last-Event-ID") or since or 0)
    except ValueError:
        return HttpResponse(status=400)
    await sync_to_async(connections.close_all)()
    request.user = user
    return StreamingHttpResponse(
        _events(request, user, number, moment),  # type: ignore[arg-type]  # `user` is set, as behind the login
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def _events(request: PageRequest, user: User, pipeline: int, since: float) -> AsyncIterator[bytes]:
    joined_at = time.time()
    stream = await hub.join(since=since)
    ends_at = time.monotonic() + LONGEST
    try:
        yield f"retry: {int(RETRY * 1000)}\nevent: hello\ndata: {{}}\n\n".encode()
        while stream in hub and time.monotonic() < ends_at:
            try:
                message = await asyncio.wait_for(stream.get(), KEEPALIVE)
            except TimeoutError:
                yield b":\n\n"
                continue
            if message is None:
                yield _event("missed", at=time.time(), data="{}")
            elif pipeline == message.pipeline:
                is_news = bool(request.GET.get("cards") and message.by) and message.at > joined_at
                cards = await _drawn(_cards, request, user, message) if is_news else None
                yield _event("touched", at=message.at, data=_told(message, cards))
                name, draw = ("bolts", _bolts) if message.bolts else ("numbers", _numbers)
                if cards and (more := await _drawn(draw, request, user, message)) not in (None, "{}"):
                    yield _event(name, at=message.at, data=more)
    finally:
        hub.leave(stream)


async def _drawn(draw: Draw, request: PageRequest, user: User, message: Message) -> str | None:
    """What `draw` makes of a message for this reader, as JSON; None where it fails: browsers fetch for themselves."""

    async def work() -> str:
        return await asyncio.get_running_loop().run_in_executor(
            _artist, _as_read, draw, request, user, message
        )

    try:
        return await hub.draw(message, (draw.__name__, _sight(request, user)), work)
    except Error:
        logger.warning("A live board could not be drawn", exc_info=True)
        return None


def _sight(request: PageRequest, user: User) -> tuple[Hashable, ...]:
    """What makes two people read the same: whose deals, which filter, what language and time zone, which fields."""
    return _share(request, user), _language(request, user), user.time_zone, tuple(field_names(request))


def _share(request: PageRequest, user: User) -> Hashable:
    """What makes them see the same deals; a filter may say "me", and a day begins when it does for the reader."""
    sees = "all" if user.sees_all_deals else f"team {user.team_id}" if user.team_id else f"user {user.pk}"
    asked = sorted((name, *values) for name, values in request.GET.lists() if name not in _NO_FILTERS)
    is_own = any("me" in value.split(",") for _name, *values in asked for value in values)
    return sees, user.pk if is_own else None, user.time_zone, *asked


def _language(request: PageRequest, user: User) -> str:
    return user.language or translation.get_language_from_request(request)


def _as_read(draw: Draw, request: PageRequest, user: User, message: Message) -> str:
    close_old_connections()
    zone = ZoneInfo(user.time_zone) if user.time_zone else None
    with translation.override(_language(request, user)), timezone.override(zone):
        return json.dumps(draw(request, user, message))


def _cards(request: PageRequest, user: User, message: Message) -> dict[str, object]:
    """`{"cards", "gone"}`, as in `touched_answer`. Cards are drawn once a language, and shown to those who see them."""
    deal_ids = list(message.by)

    def draw_all() -> dict[int, dict[str, object]]:
        fields = card_fields(field_names(request))
        cards = touched_cards(Deal.objects.all(), deal_ids, message.pipeline, fields)
        return {card.id: drawn(card) for card in cards}

    def find_visible() -> set[int]:
        here = shown_deals(request).open().filter(pk__in=deal_ids, pipeline=message.pipeline)
        return set(here.values_list("pk", flat=True))

    visible = message.once(("visible", _share(request, user)), find_visible)
    cards = message.once(("cards", *_sight(request, user)[1:]), draw_all)
    return {
        "cards": [card for deal_id, card in cards.items() if deal_id in visible],
        "gone": [deal_id for deal_id in deal_ids if deal_id not in visible],
    }


def _bolts(_request: PageRequest, _user: User, message: Message) -> dict[str, object]:
    pipeline = Pipeline.objects.filter(pk=message.pipeline).first()
    badges = stage_badges(pipeline) if pipeline else {}
    return {"columns": [{"stage": pk, "tone": each.tone, "text": each.text} for pk, each in badges.items()]}


def _numbers(request: PageRequest, user: User, message: Message) -> dict[str, object]:
    """`{"columns", "summary"}`, counted once for all languages.

    Counting takes longest. So it comes after all cards, and nothing is counted twice a second where another change has
    happened meanwhile.
    """
    sight, now = (message.pipeline, *_sight(request, user)), time.monotonic()
    if message.overtaken and now - _counted_at.get(sight, 0) < COUNT_AGAIN:
        return {}
    _counted_at[sight] = now
    stages = message.once("stages", lambda: list(Stage.objects.filter(pipeline=message.pipeline)))
    totals = message.once(
        ("totals", _share(request, user)), lambda: stage_totals(stages, shown_deals(request))
    )
    return numbers_of(stages, totals)


def _told(message: Message, cards: str | None) -> str:
    deals, by = json.dumps(list(message.by)), json.dumps(message.by)
    return f'{{"deals": {deals}, "by": {by}, "answer": {cards or "null"}}}'


def _event(name: str, *, at: float, data: str) -> bytes:
    return f"id: {at}\nevent: {name}\ndata: {data}\n\n".encode()
