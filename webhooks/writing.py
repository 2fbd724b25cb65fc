"""Writes what a document tells of a deal, its people and its records, through the CRM's doors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.calls import report_call
from crm.deals import (
    EntryNotAllowed,
    InvalidFields,
    MissingFields,
    NoWayBack,
    StageIsFull,
    create_deal,
    update_deal,
)
from crm.models import Company, Contact, CustomField, Deal, Pipeline, Stage
from webhooks.documents import Document, InvalidDocument, problem
from webhooks.filling import without_filled
from webhooks.matching import Identity
from webhooks.models import InboundEndpoint
from webhooks.owners import owner_of_new_deal
from webhooks.people import Written, write_company, write_contact
from webhooks.places import wanted_stage
from webhooks.records import write_records
from webhooks.snapshots import Changes, differences, of_deal, of_party
from webhooks.vocabulary import deal_fields, make_custom_fields, tags_after


@dataclass(frozen=True, slots=True)
class Work:
    """One document with all that is settled before anything is written."""

    document: Document
    identity: Identity
    pipeline: Pipeline | None
    contact: Contact | None
    endpoint: InboundEndpoint
    actor: Actor
    writing: Mapping[str, Any]

    def told(self, part: str) -> Mapping[str, Any]:
        told: Mapping[str, Any] = self.document.get(part, {})
        return told


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a document. `deal` is None for the part of a call whose deal is not known yet."""

    deal: Deal | None
    created: bool
    changes: Changes


@dataclass(frozen=True, slots=True)
class _People:
    company: Written[Company] | None
    contact: Written[Contact] | None

    @property
    def name(self) -> str | None:
        written = (self.contact, self.company)
        return next((party.row.name for party in written if party), None)


def write(work: Work, deal: Deal | None) -> Applied:
    """Write a document to its deal, or to a new one. Raises InvalidDocument."""
    told = without_filled(work.told("deal"), work.document, part="deal", row=deal)
    stage = wanted_stage(
        told,
        deal=deal,
        pipeline=work.pipeline,
        endpoint=work.endpoint,
        forward_only=work.writing["stage"] == "forward",
    )
    tags, ids = _labels(deal)
    before = of_deal(deal, tags=tags, external_ids=ids) if deal else {}
    fields = deal_fields(told, writing=work.writing)
    new_tags = tags_after(told, tags, writing=work.writing)
    if new_tags != tags:
        fields["tags"] = new_tags
    new_ids = _new_external_ids(told, work.identity, ids)
    if new_ids:
        fields["external_ids"] = new_ids
    people = _write_people(work, deal)
    fields |= _links(people, deal)
    with _refusals_of("deal"):
        written = _write_deal(work, deal, stage=stage, fields=fields, told=told, people=people)
    if people.contact and people.contact.row.pk == written.contact_id:
        written.contact = people.contact.row  # by the name it has now
    records = write_records(work.document, deal=written, system=work.endpoint.system, actor=work.actor)
    now_ids = {system: value for system, value in {**ids, **new_ids}.items() if value}
    after = of_deal(written, tags=new_tags, external_ids=now_ids)
    changes = {**differences(before, after), **_changes_of(people), **records}
    return Applied(deal=written, created=deal is None, changes=changes)


def keep_part_of_call(work: Work) -> Applied:
    """Keep what is told of a call of which neither deal nor number is known: the other parts will tell."""
    call = report_call(
        system=work.endpoint.system,
        facts=work.told("call"),
        deal=None,
        actor=work.actor,
        occurred_at=work.document.get("occurred_at"),
    )
    return Applied(deal=None, created=False, changes={"call": [None, str(call)]})


def _labels(deal: Deal | None) -> tuple[list[str], dict[str, str]]:
    """The tags of a deal and its ids elsewhere."""
    if deal is None:
        return [], {}
    return (
        list(deal.tags.values_list("name", flat=True)),
        dict(deal.external_id_rows.values_list("system", "value")),
    )


def _new_external_ids(
    told: Mapping[str, Any], identity: Identity, known: Mapping[str, str]
) -> dict[str, str | None]:
    """What the document sets, and the foreign id it matches by where the deal has none of that system yet."""
    matched = {system: value for system, value in identity.external_ids if system not in known}
    wanted = {**matched, **told.get("external_ids", {})}
    return {system: value for system, value in wanted.items() if known.get(system) != value}


def _write_people(work: Work, deal: Deal | None) -> _People:
    if work.writing["unknown_fields"] == "create":
        for entity in (CustomField.Entity.CONTACT, CustomField.Entity.COMPANY):
            make_custom_fields(entity, work.told(entity.value).get("custom_fields", {}))
    with _refusals_of("company"):
        company = write_company(work.document, work.identity, deal=deal, actor=work.actor)
    with _refusals_of("contact"):
        employer = company.row if company else None
        known = work.contact or (deal.contact if deal else None)
        contact = write_contact(work.document, work.identity, known=known, company=employer, actor=work.actor)
    return _People(company, contact)


def _links(people: _People, deal: Deal | None) -> dict[str, Any]:
    """A deal keeps the contact and the company that it has."""
    fields: dict[str, Any] = {}
    if people.company and (deal is None or deal.company_id is None):
        fields["company"] = people.company.row
    if people.contact and (deal is None or deal.contact_id is None):
        fields["contact"] = people.contact.row
    return fields


def _write_deal(
    work: Work,
    deal: Deal | None,
    *,
    stage: Stage,
    fields: dict[str, Any],
    told: Mapping[str, Any],
    people: _People,
) -> Deal:
    if deal is None:
        title = fields.pop("title", None) or _title(people)
        defaults: dict[str, Any] = {"source": work.endpoint.default_source}
        if "owner" not in fields:
            defaults["owner"] = owner_of_new_deal(work.endpoint, writing=work.writing)
        deal = create_deal(actor=work.actor, stage=stage, title=title, fields={**defaults, **fields})
        fields = {}
    status = Deal.Status(told["status"]) if "status" in told else None
    if status == Deal.Status.OPEN and deal.status == Deal.Status.LOST:
        fields["lost_reason"] = None
    if not fields and stage.pk == deal.stage_id and status in (None, deal.status):
        return deal
    return update_deal(deal_id=deal.pk, actor=work.actor, fields=fields, stage=stage, status=status)


def _title(people: _People) -> str:
    """A new deal that nobody gave a title is called after its contact or company."""
    if people.name is None:
        raise InvalidDocument([problem("required", "deal.title", _("A new deal needs a title."))])
    return people.name


def _changes_of(people: _People) -> Changes:
    changes: Changes = {}
    for written in (people.contact, people.company):
        if written:
            changes |= differences(written.before, of_party(written.row))
    return changes


@contextmanager
def _refusals_of(part: str) -> Iterator[None]:
    """What the CRM refuses, as problems of that part of the document."""
    try:
        yield
    except InvalidFields as error:
        messages = [(name, message) for name, messages in error.errors.items() for message in messages]
        raise InvalidDocument(
            [problem("invalid", f"{part}.{name}", text) for name, text in messages]
        ) from error
    except MissingFields as error:
        missing = [problem("required", f"{part}.{name}", str(error)) for name in error.fields]
        raise InvalidDocument(missing) from error
    except (StageIsFull, NoWayBack, EntryNotAllowed) as error:
        raise InvalidDocument([problem(error.code, f"{part}.stage", str(error))]) from error
