"""Tells open boards that something changed. The message leaves with the commit, or not at all."""

import json
from collections.abc import Collection

from django.db import connection

from crm.actors import Actor

BOARD_CHANNEL = "stagehook_board"
_NAMED_DEALS = 100  # a notification holds 8,000 bytes; past this many a board reloads its columns anyway


def announce_deals(
    *, pipelines: Collection[int], stages: Collection[int], deals: Collection[int], actor: Actor
) -> None:
    """Notify `BOARD_CHANNEL` with {"pipelines", "stages", "deals", "by"}: ids touched and the actor as JSON.

    `deals` is empty where too many changed to name them.
    """
    message = {
        "pipelines": sorted(pipelines),
        "stages": sorted(stages),
        "deals": sorted(deals) if len(deals) <= _NAMED_DEALS else [],
        "by": actor.as_json(),
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [BOARD_CHANNEL, json.dumps(message)])
