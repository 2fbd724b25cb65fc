"""The fields of a document that people choose from: what a rule can ask about, which changes it can wait for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from automations.conditions import Labels
from crm.actors import ActorKind
from crm.models import CustomField, Deal, Pipeline, Source, Stage, User

_KIND_OF_TYPE: Mapping[str, str] = {
    CustomField.Type.NUMBER: "number",
    CustomField.Type.MONEY: "number",
    CustomField.Type.DATE: "date",
    CustomField.Type.CHOICE: "choice",
    CustomField.Type.CHOICES: "tags",
    CustomField.Type.BOOLEAN: "boolean",
}
_ACTORS = [
    (ActorKind.USER.value, _("Person")),
    (ActorKind.TOKEN.value, _("API token")),
    (ActorKind.INBOUND.value, _("Inbound endpoint")),
    (ActorKind.SYSTEM.value, "Stagehook"),
]
Options = Sequence[tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Field:
    """Something of the document that can be asked about. The options of a choice keep the type of their values."""

    path: str
    label: Any
    kind: str = "text"
    options: Options = ()


def offered_fields() -> list[Field]:
    """What a condition can ask about, in the order of the picker."""
    yes_or_no = [(True, _("Yes")), (False, _("No"))]
    fields = [
        Field("deal.value", _("Value"), "number"),
        Field("deal.title", _("Title")),
        Field("deal.currency", _("Currency")),
        Field("deal.status", _("Status"), "choice", Deal.Status.choices),
        Field("deal.pipeline.id", _("Pipeline"), "choice", list(Pipeline.objects.values_list("pk", "name"))),
        Field("deal.stage.id", _("Stage"), "choice", _stages()),
        Field("deal.owner.id", _("Owner"), "choice", list(User.objects.values_list("pk", "name"))),
        Field("deal.source", _("Source"), "choice", [(name, name) for name in _names(Source)]),
        Field("deal.tags", _("Tags"), "tags"),
        Field("deal.expected_close_on", _("Expected close"), "date"),
        Field("deal.contact.name", _("Contact’s name")),
        Field("deal.contact.emails", _("Contact’s e-mails"), "texts"),
        Field("deal.contact.phones", _("Contact’s phones"), "texts"),
        Field("deal.company.name", _("Company’s name")),
        Field("deal.company.tax_id", _("Company’s tax id")),
        Field("changed_by.kind", _("Changed by"), "choice", _ACTORS),
    ]
    for custom in CustomField.objects.filter(entity=CustomField.Entity.DEAL):
        kind = _KIND_OF_TYPE.get(custom.type, "text")
        options = [(option, option) for option in custom.options] if kind in ("choice", "tags") else []
        path = f"deal.custom_fields.{custom.key}"
        fields.append(Field(path, custom.label, kind, yes_or_no if kind == "boolean" else options))
    return fields


def _stages() -> Options:
    stages = Stage.objects.filter(pipeline__archived=False).select_related("pipeline")
    in_order = stages.order_by("pipeline__position", "pipeline_id", "position", "pk")
    return [(stage.pk, f"{stage.pipeline.name}: {stage.name}") for stage in in_order]


def _names(model: Any) -> Iterator[str]:
    return iter(model.objects.order_by("name").values_list("name", flat=True))


def labels_of(fields: Iterable[Field]) -> Labels:
    """How each field is called, and each of its options."""
    return {
        field.path: (str(field.label), {str(value): str(label) for value, label in field.options})
        for field in fields
    }


def changing_fields() -> list[tuple[str, Any]]:
    """Name and label of each field whose change a rule can wait for, in the order of the conditions' picker."""
    related = ("owner", "source", "tags", "contact", "company", "lost_reason")
    plain = ("value", "title", "currency", "expected_close_on")
    custom = CustomField.objects.filter(entity=CustomField.Entity.DEAL).values_list("key", "label")
    return [
        *((name, _called(name)) for name in (*plain, *related)),
        *((f"custom_fields.{key}", label) for key, label in custom),
        ("external_ids", _("Ids in other systems")),
    ]


def _called(name: str) -> str:
    return capfirst(str(getattr(Deal._meta.get_field(name), "verbose_name", name)))
