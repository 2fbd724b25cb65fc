"""The fields of a deal as the CRM takes them: e-mails become people, names become sources, reasons and tags.

What a document names must exist, save sources; for tags and custom fields the endpoint decides.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from crm.models import CustomField, LostReason, Source, Tag, User
from webhooks.documents import InvalidDocument, problem
from webhooks.places import unknown

_AS_TOLD = ("title", "currency", "expected_close_on", "custom_fields")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,59}")


def deal_fields(told: Mapping[str, Any], *, writing: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `crm.deals.update_deal`, without tags and external ids. Raises InvalidDocument."""
    fields = {name: told[name] for name in _AS_TOLD if name in told}
    if "value" in told:
        fields["value"] = Decimal(0) if told["value"] is None else told["value"]
    for name, find in (("owner", _owner), ("source", _source), ("lost_reason", _lost_reason)):
        if name in told:
            fields[name] = None if told[name] is None else find(told[name])
    if writing["unknown_fields"] == "create":
        make_custom_fields(CustomField.Entity.DEAL, told.get("custom_fields", {}))
    return fields


def _owner(email: str) -> User:
    owner = User.objects.filter(email__iexact=email, is_active=True).first()
    return owner or unknown("owner", _("Nobody here has the e-mail “%(email)s”.") % {"email": email})


def _source(name: str) -> Source:
    return Source.objects.filter(name=name).first() or Source.objects.get_or_create(name=name)[0]


def _lost_reason(name: str) -> LostReason:
    reason = LostReason.objects.filter(name=name).first()
    return reason or unknown("lost_reason", _("There is no lost reason “%(name)s”.") % {"name": name})


def tags_after(told: Mapping[str, Any], present: list[str], *, writing: Mapping[str, Any]) -> list[str]:
    """The names of the deal's tags once the document's are added and removed. Raises InvalidDocument."""
    added, removed = told.get("add_tags", []), {name.lower() for name in told.get("remove_tags", [])}
    if added and writing["unknown_tags"] == "refuse":
        _refuse_unknown_tags(added)
    known = {name.lower() for name in present}
    wanted = [*present, *(name for name in dict.fromkeys(added) if name.lower() not in known)]
    return [name for name in wanted if name.lower() not in removed]


def _refuse_unknown_tags(names: list[str]) -> None:
    wanted = {name.lower() for name in names}
    known = Tag.objects.annotate(lower=Lower("name")).filter(lower__in=wanted)
    missing = wanted - set(known.values_list("lower", flat=True))
    if missing:
        problems = [
            problem("unknown", f"deal.add_tags[{place}]", _("There is no tag “%(name)s”.") % {"name": name})
            for place, name in enumerate(names)
            if name.lower() in missing
        ]
        raise InvalidDocument(problems)


def make_custom_fields(entity: CustomField.Entity, values: Mapping[str, Any]) -> None:
    """Define the fields that do not exist yet, of the type that their first value has."""
    keys = [key for key, value in values.items() if value is not None and _KEY.fullmatch(key)]
    known = set(CustomField.objects.filter(entity=entity, key__in=keys).values_list("key", flat=True))
    missing = [
        CustomField(
            entity=entity, key=key, label=key.replace("_", " ").capitalize(), type=_type_of(values[key])
        )
        for key in keys
        if key not in known
    ]
    CustomField.objects.bulk_create(missing, ignore_conflicts=True)


def _type_of(value: Any) -> CustomField.Type:
    if isinstance(value, bool):
        return CustomField.Type.BOOLEAN
    return CustomField.Type.NUMBER if isinstance(value, int | Decimal) else CustomField.Type.TEXT
