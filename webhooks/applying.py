"""Applies a document to the CRM: one deal found or made, and what is told of it written through the CRM's doors.

The caller holds a transaction and undoes it where this raises.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.deals import InvalidFields, MissingFields, create_deal, update_deal
from crm.models import Company, Contact, Deal, LostReason, Pipeline, Source, Stage, User
from webhooks.documents import Document, InvalidDocument, problem
from webhooks.matching import Identity, find_deal, identity_of, lock_identity
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.people import write_company, write_contact
from webhooks.records import write_records
from webhooks.snapshots import Changes, differences, snapshot

_PLAIN = ("title", "value", "currency", "custom_fields")


class NothingToDo(Exception):
    """The document asks for nothing that should be done now. `reason` says why, `deal` which deal it is about."""

    def __init__(self, reason: InboundRequest.Reason, *, deal: Deal | None = None) -> None:
        self.reason, self.deal = reason, deal
        super().__init__(reason.label)


@dataclass(frozen=True, slots=True)
class Applied:
    deal: Deal
    created: bool
    changes: Changes


def apply_document(document: Document, *, endpoint: InboundEndpoint, actor: Actor) -> Applied:
    """Raises InvalidDocument and NothingToDo; the caller then rolls back."""
    pipeline = _named_pipeline(document)
    identity = identity_of(document, system=_system(endpoint))
    lock_identity(identity)
    deal = _locked(find_deal(identity, pipeline=pipeline))
    if deal is None:
        _refuse_missing(document)
    else:
        document = _still_news(document, deal, endpoint=endpoint)
    before = snapshot(deal) if deal else {}
    written = _write(document, identity, deal=deal, pipeline=pipeline, endpoint=endpoint, actor=actor)
    records = write_records(document, deal=written, system=_system(endpoint), actor=actor)
    changes = {**differences(before, snapshot(written)), **records}
    return Applied(deal=written, created=deal is None, changes=changes)


def _system(endpoint: InboundEndpoint) -> str:
    """Whose calls and subscriptions an endpoint reports."""
    return endpoint.system


def _locked(deal: Deal | None) -> Deal | None:
    """The deal under a lock, so that "is this event the newest" stays true until we are done."""
    if deal is None:
        return None
    return Deal.objects.select_for_update(no_key=True).filter(pk=deal.pk).first()


def _refuse_missing(document: Document) -> None:
    if_missing = document.get("if_missing", "create")
    if if_missing == "ignore":
        raise NothingToDo(InboundRequest.Reason.NO_MATCH)
    if if_missing == "reject":
        raise InvalidDocument([problem("no_match", "match", _("No deal matches."))])


def _still_news(document: Document, deal: Deal, *, endpoint: InboundEndpoint) -> Document:
    """What is to be applied of the document beside newer ones. Raises NothingToDo.

    The reports of a call arrive in any order: an older one still completes the call, and changes nothing else.
    """
    if not _is_stale(document, deal, endpoint=endpoint):
        return document
    if "call" not in document:
        raise NothingToDo(InboundRequest.Reason.STALE, deal=deal)
    return {name: document[name] for name in ("event_id", "occurred_at", "call") if name in document}


def _is_stale(document: Document, deal: Deal, *, endpoint: InboundEndpoint) -> bool:
    occurred_at = document.get("occurred_at")
    if occurred_at is None:
        return False
    newer = InboundRequest.objects.filter(
        deal=deal, endpoint=endpoint, state=InboundRequest.State.APPLIED, occurred_at__gt=occurred_at
    )
    return newer.exists()


def _write(
    document: Document,
    identity: Identity,
    *,
    deal: Deal | None,
    pipeline: Pipeline | None,
    endpoint: InboundEndpoint,
    actor: Actor,
) -> Deal:
    told = document.get("deal", {})
    stage = _stage(told, deal=deal, pipeline=pipeline, endpoint=endpoint)
    fields = _fields(told, identity, deal=deal)
    with _refusals_of("company"):
        company = write_company(document, identity, deal=deal, actor=actor)
    with _refusals_of("contact"):
        contact = write_contact(document, identity, deal=deal, company=company, actor=actor)
    if company and (deal is None or deal.company_id is None):
        fields["company"] = company
    if contact and (deal is None or deal.contact_id is None):
        fields["contact"] = contact
    with _refusals_of("deal"):
        if deal is None:
            title = fields.pop("title", None) or _title(contact, company)
            defaults = {"owner": endpoint.default_owner, "source": endpoint.default_source}
            deal = create_deal(actor=actor, stage=stage, title=title, fields={**defaults, **fields})
            fields = {}
        status = Deal.Status(told["status"]) if "status" in told else None
        if status == Deal.Status.OPEN and deal.status == Deal.Status.LOST:
            fields["lost_reason"] = None
        return update_deal(deal_id=deal.pk, actor=actor, fields=fields, stage=stage, status=status)


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


def _title(*owners: Contact | Company | None) -> str:
    """A new deal that nobody gave a title is called after its contact or company."""
    title = next((owner.name for owner in owners if owner), None)
    if title is None:
        raise InvalidDocument([problem("required", "deal.title", _("A new deal needs a title."))])
    return title


# ---- What the document names must exist ----


def _named_pipeline(document: Document) -> Pipeline | None:
    name = document.get("deal", {}).get("pipeline")
    if name is None:
        return None
    pipeline = Pipeline.objects.filter(name=name, archived=False).first()
    return pipeline or _unknown("pipeline", _("There is no pipeline “%(name)s”.") % {"name": name})


def _stage(
    told: Mapping[str, Any], *, deal: Deal | None, pipeline: Pipeline | None, endpoint: InboundEndpoint
) -> Stage:
    """The stage the deal shall be in: the named one, else where it is, else where the endpoint's new deals go."""
    name = told.get("stage")
    if deal is not None:
        if name is None and pipeline in (None, deal.pipeline):
            return deal.stage
        pipeline = pipeline or deal.pipeline
    else:
        pipeline = pipeline or _default_pipeline(endpoint)
    if name is not None:
        return _stage_named(name, pipeline)
    if deal is not None:
        raise InvalidDocument([problem("required", "deal.stage", _("Another pipeline needs a stage too."))])
    return _first_stage(pipeline, endpoint)


def _stage_named(name: str, pipeline: Pipeline) -> Stage:
    stage = pipeline.stages.filter(name=name).first()
    said = {"name": name, "pipeline": pipeline.name}
    return stage or _unknown("stage", _("There is no stage “%(name)s” in “%(pipeline)s”.") % said)


def _default_pipeline(endpoint: InboundEndpoint) -> Pipeline:
    if endpoint.default_stage:
        return endpoint.default_stage.pipeline
    pipeline = endpoint.default_pipeline or Pipeline.objects.filter(archived=False).first()
    return pipeline or _unknown("pipeline", _("There is no pipeline yet."))


def _first_stage(pipeline: Pipeline, endpoint: InboundEndpoint) -> Stage:
    default = endpoint.default_stage
    stage = default if default and default.pipeline_id == pipeline.pk else pipeline.stages.first()
    return stage or _unknown("stage", _("The pipeline “%(name)s” has no stage.") % {"name": pipeline})


def _fields(told: Mapping[str, Any], identity: Identity, *, deal: Deal | None) -> dict[str, Any]:
    """The fields of `crm.deals.update_deal` that the document sets."""
    fields = {name: told[name] for name in _PLAIN if name in told}
    if email := told.get("owner"):
        owner = User.objects.filter(email__iexact=email, is_active=True).first()
        fields["owner"] = owner or _unknown(
            "owner", _("Nobody here has the e-mail “%(email)s”.") % {"email": email}
        )
    if name := told.get("source"):
        fields["source"] = Source.objects.get_or_create(name=name)[0]
    if name := told.get("lost_reason"):
        reason = LostReason.objects.filter(name=name).first()
        fields["lost_reason"] = reason or _unknown(
            "lost_reason", _("There is no lost reason “%(name)s”.") % {"name": name}
        )
    if told.get("add_tags") or told.get("remove_tags"):
        fields["tags"] = _tags(told, deal=deal)
    fields["external_ids"] = _external_ids(told, identity, deal=deal)
    return fields


def _tags(told: Mapping[str, Any], *, deal: Deal | None) -> list[str]:
    present = list(deal.tags.values_list("name", flat=True)) if deal else []
    removed = {name.lower() for name in told.get("remove_tags", [])}
    return [name for name in [*present, *told.get("add_tags", [])] if name.lower() not in removed]


def _external_ids(told: Mapping[str, Any], identity: Identity, *, deal: Deal | None) -> dict[str, str | None]:
    """What the document sets, and the foreign id it matches by where the deal has none of that system yet."""
    known = set(deal.external_id_rows.values_list("system", flat=True)) if deal else set()
    matched = {system: value for system, value in identity.external_ids if system not in known}
    return {**matched, **told.get("external_ids", {})}


def _unknown(name: str, message: str) -> Any:
    raise InvalidDocument([problem("unknown", f"deal.{name}", message)])
