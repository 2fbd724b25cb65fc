"""Tells open boards that something changed. The message leaves with the commit, or not at all."""

import json
from collections.abc import Collection

from django.db import connection

from crm.actors import Actor

BOARD_CHANNEL = "stagehook_board"
_NAMED_DEALS = 100  # a notification holds 8,000 bytes; past this many a board reloads its columns anyway
NAMED_BOLTS = 500  # as many as fit

_ANNOUNCE_BOLTS = """
    SELECT pg_notify(%s, json_build_object('pipelines', json_agg(DISTINCT pipeline_id), 'bolts', json_agg(id))::text)
    FROM crm_deal WHERE id = ANY(%s) AND status = 'open' HAVING count(*) > 0
"""


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


def announce_bolts(deal_ids: Collection[int]) -> None:
    """Notify `BOARD_CHANNEL` with {"pipelines", "bolts"}: ids of open deals of which the bolt on the card has changed.

    One statement, whatever their number, for those who send many requests; past what fits some stay as they are drawn.
    """
    if deal_ids:
        with connection.cursor() as cursor:
            cursor.execute(_ANNOUNCE_BOLTS, [BOARD_CHANNEL, sorted(deal_ids)[-NAMED_BOLTS:]])
