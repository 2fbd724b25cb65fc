"""Every address of the site, with something to open it on: for tests that go through all of them.

An address with a new kind of argument needs something in `demo_with_one_of_each` to open it on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from automations.manual import run_rule
from automations.models import Destination, ResendJob
from automations.rules import create_rule
from config.api import router
from config.demo.loading import load_demo
from crm.actors import Actor
from crm.invitations import link_of
from crm.models import (
    Activity,
    Call,
    Company,
    Contact,
    CustomField,
    Deal,
    DealFile,
    DealLine,
    Import,
    Invitation,
    LostReason,
    Notice,
    Product,
    SavedView,
    Source,
    Subscription,
    Tag,
    User,
)
from crm.tokens import create_token
from crm.views.settings.vocabularies import VOCABULARIES
from webhooks.models import InboundEndpoint, InboundRequest, ReplayJob

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """`name` as in `reverse`; `methods` are what the API takes there, empty for a page; `resource` is the API's."""

    name: str
    parameters: Sequence[str]
    methods: Sequence[str] = ()
    resource: str = ""

    def url(self, arguments: Arguments) -> str:
        """With its query, `name?`. Raises KeyError for an argument of which there is none; its own go before others."""
        path = reverse(self.name, kwargs={each: self._argument(arguments, each) for each in self.parameters})
        return f"{path}{arguments.get(f'{self.name}?', '')}"

    def _argument(self, arguments: Arguments, parameter: str) -> Any:
        own = f"{self.resource or self.name}.{parameter}"
        return arguments[own] if own in arguments else arguments[parameter]


def pages() -> list[Route]:
    """All named addresses but Django's admin and the API."""
    return [
        Route(name=pattern.name, parameters=list(pattern.pattern.regex.groupindex))
        for path, pattern in _patterns(get_resolver().url_patterns)
        if pattern.name and not path.startswith(("admin/", "api/v1/"))
    ]


def api_routes() -> list[Route]:
    """All addresses of the API; an argument `pk` is looked for as `deal.pk`."""
    return [
        Route(
            name=pattern.name or "",
            parameters=list(pattern.pattern.regex.groupindex),
            resource=(pattern.name or "").partition("-")[0],
            methods=[each for each in vars(pattern.callback)["actions"] if each not in ("put", "head")],
        )
        for _path, pattern in _patterns(router.urls)
    ]


def _patterns(
    patterns: Sequence[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[tuple[str, URLPattern]]:
    for each in patterns:
        path = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _patterns(each.url_patterns, path)
        else:
            yield path, each


def demo_with_one_of_each() -> dict[str, Any]:
    """The demo and, by the names that addresses give them, objects to open addresses on. They are Bruna's, a rep."""
    load_demo()
    admin, rep = User.objects.get(email="ana@example.com"), User.objects.get(email="bruna@example.com")
    deal = Deal.objects.open().filter(owner=rep, contact__isnull=False, company__isnull=False)[0]
    return {
        **_of_the_crm(deal, rep=rep, admin=admin),
        **_of_the_automations(deal, Actor.user(admin)),
        **_of_the_inbound_side(),
    }


def _of_the_crm(deal: Deal, *, rep: User, admin: User) -> dict[str, Any]:
    invitation = Invitation.objects.create(
        email="new@example.com", language="en", invited_by=admin, nonce="n" * 43, sent_at=timezone.now()
    )
    token, _text = create_token(owner=rep, name="Bruna's", scopes=["read"])
    view = SavedView.objects.create(owner=rep, name="Hers", layout="list", query="status=open")
    product = Product.objects.create(name="Support")
    imported = Import.objects.create(
        entity="contact",
        file_name="people.csv",
        heads=["Name"],
        row_count=0,
        mapping=["contact.name"],
        created_by=admin,
    )
    made = {
        "import": imported,
        "deal": deal,
        "pipeline": deal.pipeline,
        "stage": deal.stage,
        "contact": deal.contact,
        "company": deal.company,
        "call": Call.objects.create(deal=deal, direction="in", started_at=timezone.now(), status="answered"),
        "activity": Activity.objects.create(deal=deal, subject="Call", assignee=rep),
        "subscription": Subscription.objects.create(deal=deal, plan="Gold", amount=10),
        "line": DealLine.objects.create(deal=deal, product=product, name="Support", unit_price=10),
        "file": DealFile.objects.create(deal=deal, name="offer.pdf", stored_as="deals/offer", size=3),
        "user": rep,
        "team": rep.team,
        "token": token,
        "apitoken": token,
        "field": CustomField.objects.filter(entity="deal")[0],
        "customfield": CustomField.objects.filter(entity="deal")[0],
        "invitation": invitation,
        "view": view,
        "notice": Notice.objects.create(user=rep, kind="test", subject="For Bruna"),
        "tag": Tag.objects.all()[0],
        "source": Source.objects.all()[0],
        "lostreason": LostReason.objects.all()[0],
    }
    words: dict[str, Any] = {}
    for slug, vocabulary in VOCABULARIES.items():
        word = vocabulary.words[0]
        words |= {f"{slug}-edit.word_id": word.pk, f"{slug}-delete.word_id": word.pk}
    return {
        **_ids(made),
        **words,
        **_of_people("contact", deal.contact_id, Contact.objects.exclude(deals=deal)[0].pk),
        **_of_people("company", deal.company_id, Company.objects.exclude(deals=deal)[0].pk),
        "bulk.verb": "owner",
        **dict.fromkeys(["views?", "view?", "new-view?"], "?layout=list"),
        "deal-field.name": "title",
        "deal-cell.name": "title",
        "accept-invitation.text": link_of(invitation).split("/")[-2],
        "uidb64": "MQ",
        "password_reset_confirm.token": "a-dead-one",
    }


def _of_people(kind: str, pk: Any, other: Any) -> dict[str, Any]:
    names = [f"{kind}-field", f"merge-{kind}-with", f"merge-{kind}", f"dismiss-{kind}", f"erase-{kind}"]
    ids = {f"{name}.pk": pk for name in names} | {f"{name}.other_id": other for name in names}
    return {**ids, f"{kind}-field.name": "name"}


def _of_the_automations(deal: Deal, actor: Actor) -> dict[str, Any]:
    destination = Destination.objects.all()[0]
    rule = create_rule(fields={"name": "By hand", "event": "deal.manual", "destination": destination})
    job = ResendJob.objects.create(chosen={"ids": []}, trigger="manual")
    made = {
        "destination": destination,
        "rule": rule,
        "delivery": run_rule(rule_id=rule.pk, deal_id=deal.pk, actor=actor),
        "resendjob": job,
    }
    return {**_ids(made), "resend-job.job_id": job.pk, "stop-resend-job.job_id": job.pk}


def _of_the_inbound_side() -> dict[str, Any]:
    endpoint, now = InboundEndpoint.objects.all()[0], timezone.now()
    request = InboundRequest.objects.create(
        endpoint=endpoint, received_at=now, state="rejected", content_type="application/json", body=b"{}"
    )
    job = ReplayJob.objects.create(endpoint=endpoint, since=now)
    made = {"endpoint": endpoint, "inboundendpoint": endpoint, "request": request, "inboundrequest": request}
    return {
        **_ids(made),
        "receive.key": endpoint.key,
        "new-endpoint-from-preset.key": "stripe",
        "replay-job.job_id": job.pk,
        "stop-replay.job_id": job.pk,
    }


def _ids(made: Mapping[str, Any]) -> dict[str, Any]:
    """For pages as `deal_id`, for the API as `deal.pk`."""
    return {f"{name}{end}": row.pk for name, row in made.items() for end in ("_id", ".pk")}
