"""What rows offer: our fields, this installation's custom fields among them, and the words that are known for one."""

from collections.abc import Sequence
from typing import Any

from django.utils.functional import Promise

from crm.models import CustomField, LostReason, Pipeline, Source, Stage, Tag, User
from crm.views.fields import CURRENCIES
from webhooks.mapping.fields import GROUPS, Kind, NativeField, field_at

_Group = tuple[str | Promise, list[NativeField]]
MOST_WORDS = 200
_WHOLE_GROUPS = ("custom_fields", "external_ids")
_KINDS = {
    CustomField.Type.TEXT: Kind.TEXT,
    CustomField.Type.URL: Kind.TEXT,
    CustomField.Type.MONEY: Kind.MONEY,
    CustomField.Type.DATE: Kind.DAY,
    CustomField.Type.CHOICE: Kind.CHOICE,
    CustomField.Type.CHOICES: Kind.TEXTS,
    CustomField.Type.EMAIL: Kind.EMAIL,
    CustomField.Type.PHONE: Kind.PHONE,
    CustomField.Type.CPF: Kind.TAX_ID,
    CustomField.Type.CNPJ: Kind.TAX_ID,
}
_NAMES: dict[str, Any] = {
    "deal.pipeline": lambda: Pipeline.objects.filter(archived=False).values_list("name", flat=True),
    "deal.stage": lambda: Stage.objects.filter(pipeline__archived=False).values_list("name", flat=True),
    "deal.source": lambda: Source.objects.values_list("name", flat=True),
    "deal.lost_reason": lambda: LostReason.objects.values_list("name", flat=True),
    "deal.owner": lambda: User.objects.filter(is_active=True).values_list("email", flat=True),
    "deal.add_tags": lambda: Tag.objects.values_list("name", flat=True),
    "deal.remove_tags": lambda: Tag.objects.values_list("name", flat=True),
    "deal.currency": lambda: CURRENCIES,
    "subscription.currency": lambda: CURRENCIES,
}


class Offer:
    """The fields on offer as one page shows them; asks for each of them once."""

    def __init__(self) -> None:
        own = {
            f"{field.entity}.custom_fields.{field.key}": _own(field) for field in CustomField.objects.all()
        }
        self.groups: list[_Group] = [(label, _with_own(fields, own)) for label, fields in GROUPS]
        self._fields = {field.path: field for _label, fields in self.groups for field in fields}
        self._names: dict[str, list[str]] = {}

    def field(self, path: str) -> NativeField | None:
        """The field of that path, None where a document has none. What is not offered is still a field."""
        return self._fields.get(path) or field_at(f"{path}x" if path.endswith(".") else path)

    def has(self, path: str) -> bool:
        return path in self._fields

    def paths(self) -> list[str]:
        return list(self._fields)

    def words(self, path: str) -> Sequence[str]:
        """What our side calls things in a field; nothing where anything may stand there."""
        native = self.field(path)
        if native and native.options:
            return native.options
        if path in _NAMES and path not in self._names:
            self._names[path] = sorted(set(_NAMES[path]()[:MOST_WORDS]))
        return self._names.get(path, [])


def _own(field: CustomField) -> NativeField:
    path = f"{field.entity}.custom_fields.{field.key}"
    return NativeField(
        path, _KINDS.get(CustomField.Type(field.type), Kind.ANY), field.label, tuple(field.options)
    )


def _with_own(fields: Sequence[NativeField], own: dict[str, NativeField]) -> list[NativeField]:
    """The custom fields there are before the one that takes any key."""
    offered: list[NativeField] = []
    for field in fields:
        if field.path.endswith(".custom_fields."):
            offered += [each for path, each in own.items() if path.startswith(field.path)]
        if not field.path.endswith(_WHOLE_GROUPS):
            offered.append(field)
    return offered
