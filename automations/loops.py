"""Guards against systems that answer each other for ever.

A run of cause and effect that comes back to us through another system carries its chain (see `crm.actors`). A rule
acts once per deal and chain, a chain ends at some depth, and where the other system loses the chain, so many
automated moves in so short a time can only be a loop.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count

from automations.alerts import tell_loop
from automations.models import Delivery, Rule
from crm.actors import Actor, ActorKind
from crm.models import Change, Deal

CHAIN_REPEATED = "chain_repeated"
CHAIN_TOO_DEEP = "chain_too_deep"
TOO_MANY_CHANGES = "too_many_changes"
DEEPEST = 10
MOST_CHANGES = 60
WITHIN = timedelta(minutes=10)
_AUTOMATED = (ActorKind.INBOUND, ActorKind.TOKEN, ActorKind.SYSTEM)


@dataclass(frozen=True, slots=True)
class LoopGuard:
    """What is known of the rules and deals of one signal: asked for once, however many they are."""

    depth: int
    acted: frozenset[tuple[int, int]]
    restless: frozenset[int]

    @classmethod
    def of(
        cls, *, rules: Collection[Rule], deals: Collection[Deal], actor: Actor, now: datetime
    ) -> "LoopGuard":
        deal_ids = {deal.pk for deal in deals}
        acted = _acted(rules, deal_ids, actor) if actor.depth else frozenset()
        return cls(depth=actor.depth, acted=acted, restless=restless_deals(deal_ids, now=now))

    def problem(self, *, rule: Rule, deal: Deal) -> str:
        """Why the rule must not act on the deal, as a delivery's reason; "" where it may."""
        if self.depth >= DEEPEST:
            return CHAIN_TOO_DEEP
        if (rule.pk, deal.pk) in self.acted:
            return CHAIN_REPEATED
        return TOO_MANY_CHANGES if deal.pk in self.restless else ""


def loop_problem(*, rule: Rule, deal: Deal, actor: Actor, now: datetime) -> str:
    """Why a rule must not act on a deal now, as a delivery's reason; "" where it may."""
    return LoopGuard.of(rules=[rule], deals=[deal], actor=actor, now=now).problem(rule=rule, deal=deal)


def _acted(rules: Collection[Rule], deal_ids: Collection[int], actor: Actor) -> frozenset[tuple[int, int]]:
    rows = Delivery.objects.filter(deal__in=deal_ids, rule__in=rules, chain=actor.chain)
    acted = rows.exclude(state=Delivery.State.SKIPPED).order_by()
    return frozenset(acted.values_list("rule_id", "deal_id").distinct())


def restless_deals(deal_ids: Collection[int], *, now: datetime) -> frozenset[int]:
    """Those of the deals that programs have moved more often than `MOST_CHANGES` times lately."""
    moves = Change.objects.filter(
        entity=Change.Entity.DEAL,
        object_id__in=deal_ids,
        at__gt=now - WITHIN,
        field="stage",
        actor_kind__in=_AUTOMATED,
    )
    counts = moves.order_by().values_list("object_id").annotate(moves=Count("pk"))
    return frozenset(counts.filter(moves__gt=MOST_CHANGES).values_list("object_id", flat=True))


def tell_of_loops(deliveries: Sequence[Delivery], *, now: datetime) -> None:
    """Tell people of the deals whose rules were stopped."""
    stopped = {row.deal_id: row.deal for row in deliveries if row.reason == TOO_MANY_CHANGES}
    for deal in stopped.values():
        if deal is not None:
            tell_loop(deal=deal, now=now)
