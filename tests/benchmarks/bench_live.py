"""200 open boards of as many people in ten teams: how soon after its commit the change of a deal is there to be seen.

Each board holds a stream of a real web server; what it gets has the card drawn anew, as its reader sees it. Half of the
people read English, half Portuguese. The streams are read by one thread on the same cores.
"""

import asyncio
import contextlib
import json
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from config.demo.volume import generate_deals
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import Deal, Pipeline, Stage, Team, User
from tests.benchmarks.conftest import Show
from tests.benchmarks.web import web_server
from tests.processes import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

BOARDS = 200
DEALS = 10_000
CHANGES = 20


@dataclass(slots=True)
class Boards:
    """When each board saw the deal in each stage (Unix seconds), by stage and number of the board."""

    open: int = 0
    hints: int = 0
    seen: dict[tuple[int, int], float] = field(default_factory=dict)

    async def follow(self, number: int, address: str, session: str, pipeline: int) -> None:
        parts = urlsplit(address)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        path = f"/live/?pipeline={pipeline}&since={time.time()}&cards=1"
        cookie = f"{settings.SESSION_COOKIE_NAME}={session}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nCookie: {cookie}\r\n\r\n".encode())
        with contextlib.closing(writer):
            while line := await reader.readline():
                if line.startswith(b"event: hello"):
                    self.open += 1
                elif line.startswith(b'data: {"deals"'):
                    self._hear(number, json.loads(line[6:]))

    def _hear(self, number: int, told: dict[str, object]) -> None:
        answer = told["answer"]
        if not isinstance(answer, dict):
            self.hints += 1
            return
        for card in answer["cards"]:
            self.seen.setdefault((card["version"], number), time.time())


@contextlib.contextmanager
def open_boards(address: str, sessions: Sequence[str], pipeline: Pipeline) -> Iterator[Boards]:
    boards, loop = Boards(), asyncio.new_event_loop()

    async def follow_all() -> None:
        follow = (boards.follow(n, address, session, pipeline.pk) for n, session in enumerate(sessions))
        await asyncio.gather(*follow)

    def work() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    task = loop.create_task(follow_all())
    thread = threading.Thread(target=work)
    thread.start()
    try:
        eventually(lambda: boards.open == len(sessions), seconds=60)
        yield boards
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def make_people() -> list[User]:
    """Twenty people a team; one of each team is a manager."""
    teams = [Team.objects.create(name=f"Team {number}") for number in range(10)]
    return [
        User.objects.create(
            email=f"p{number}@example.com",
            name=f"Person {number}",
            team=teams[number % 10],
            role=User.Role.MANAGER if number < 10 else User.Role.REP,
            language=("en", "pt-br")[number // 10 % 2],
        )
        for number in range(BOARDS)
    ]


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def moves(deal: Deal, stages: Sequence[Stage], boards: Boards, watchers: int, mover: User) -> list[float]:
    """The milliseconds of every board that sees the deal, from the commit of a move to its card."""
    waits = []
    for change in range(CHANGES):
        moved = move_deal(deal_id=deal.pk, stage=stages[change % 2 + 1], actor=Actor.user(mover))
        at = time.time()

        def arrived(version: int = moved.version) -> list[float]:
            return [when for (seen, _n), when in boards.seen.items() if seen == version]

        eventually(lambda: len(arrived()) >= watchers, seconds=30)
        waits += [(when - at) * 1000 for when in arrived()]
        time.sleep(0.5)  # so that each is a change by itself
    return waits


def test_live(show: Show) -> None:
    people = make_people()
    pipeline = generate_deals(count=DEALS)
    stages = list(pipeline.stages.all())
    team_mates = [user for user in people if user.team == people[0].team or user.sees_all_deals]
    deal = Deal.objects.open().filter(stage=stages[0], owner__in=people).order_by("rank")[0]
    deal.owner = people[0]
    deal.save(update_fields=["owner"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as PostgreSQL does by itself within a minute
    with web_server() as address, open_boards(address, [*map(session_of, people)], pipeline) as boards:
        waits = moves(deal, stages, boards, len(team_mates), people[0])
        rows = [
            ("from commit to card, ms at the median", f"{statistics.median(waits):.0f}", ""),
            ("the slowest of all, ms", f"{max(waits):.0f}", "< 1000"),
            ("hints without the card", f"{boards.hints}", "0"),
        ]
    show(
        f"{BOARDS} open boards, {CHANGES} changes, {len(waits):,} cards drawn",
        ("", "measured", "target"),
        rows,
    )
