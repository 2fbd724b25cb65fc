"""`contacts/` and `companies/`. Everybody sees them; every write goes through `crm.contacts`."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from crm import contacts
from crm.api.permissions import AdminOnly, ManagersWrite
from crm.api.serializers import (
    CustomFieldValues,
    ExternalIds,
    StrictModelSerializer,
    StrictSerializer,
    TagNames,
)
from crm.api.viewsets import WritableResource
from crm.duplicates import duplicates_of
from crm.erasure import erase_contact
from crm.merging import merge_companies, merge_contacts
from crm.models import Company, Contact
from crm.models.duplicates import Duplicate
from crm.phones import to_e164

_DUPLICATE: dict[str, Any] = {
    "id": serializers.IntegerField(),
    "name": serializers.CharField(),
    "signs": serializers.ListField(child=serializers.ChoiceField(Duplicate.Sign.choices)),
}


class ContactSerializer(StrictModelSerializer[Contact]):
    # The door brings them into one form and refuses what has none, so they come as any text here.
    emails = serializers.ListField(child=serializers.CharField(), required=False)
    phones = serializers.ListField(child=serializers.CharField(), required=False)
    tax_id = serializers.CharField(required=False, allow_blank=True)
    tags = TagNames(required=False)
    custom_fields = CustomFieldValues(required=False)
    external_ids = ExternalIds(required=False)

    class Meta:
        model = Contact
        fields = (
            "id",
            "name",
            "emails",
            "phones",
            "tax_id",
            "company",
            "job_title",
            "tags",
            "custom_fields",
            "external_ids",
        )

    def create(self, validated_data: dict[str, Any]) -> Contact:
        return contacts.create_contact(actor=self.context["view"].actor, fields=validated_data)

    def update(self, instance: Contact, validated_data: dict[str, Any]) -> Contact:
        actor = self.context["view"].actor
        return contacts.update_contact(contact_id=instance.pk, actor=actor, fields=validated_data)


class MergeSerializer(StrictSerializer):
    """`other` goes; `take` names the fields whose value is the other's (`name`, `custom_fields.plan`,
    `external_ids.erp` …). Without it those are filled in which the kept one has nothing."""

    other = serializers.IntegerField()
    take = serializers.ListField(child=serializers.CharField(), required=False)


class _Mergeable(WritableResource[Any]):
    """What contacts and companies have in common: two that are one."""

    merge_door: Callable[..., Any]

    @extend_schema(request=MergeSerializer)
    @action(detail=True, methods=["post"], permission_classes=[ManagersWrite])
    def merge(self, request: Request, pk: str) -> Response:
        """Make another one part of this one: deals, calls, activities, tags, addresses and ids move, then it goes."""
        asked = MergeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        kept, other = self.get_object(), asked.validated_data["other"]
        try:
            type(self).merge_door(
                kept_id=kept.pk, other_id=other, actor=self.actor, take=asked.validated_data.get("take")
            )
        except self.get_queryset().model.DoesNotExist as error:
            raise ValidationError({"other": [_("There is no such row, or not any more.")]}) from error
        return Response(self.get_serializer(self.get_queryset().get(pk=kept.pk)).data)

    @extend_schema(responses=inline_serializer("Duplicates", _DUPLICATE, many=True))
    @action(detail=True)
    def duplicates(self, request: Request, pk: str) -> Response:
        """Those that may be the same one, the surest first, and what speaks for it."""
        found = duplicates_of(self.get_object())
        return Response([{"id": each.row.pk, "name": each.row.name, "signs": each.signs} for each in found])


class ContactFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    email = filters.CharFilter(method="by_email", label="email")
    phone = filters.CharFilter(method="by_phone", label="phone")

    class Meta:
        model = Contact
        fields: ClassVar = ["company"]

    def by_email(self, rows: QuerySet[Contact], _name: str, text: str) -> QuerySet[Contact]:
        return rows.filter(emails__contains=[text.lower()])

    def by_phone(self, rows: QuerySet[Contact], name: str, text: str) -> QuerySet[Contact]:
        try:
            return rows.filter(phones__contains=[to_e164(text)])
        except ValueError as error:
            raise ValidationError(
                {name: [_("“%(number)s” is no telephone number.") % {"number": text}]}
            ) from error


class ContactViewSet(_Mergeable):
    merge_door = merge_contacts
    queryset = Contact.objects.prefetch_related("tags", "external_id_rows")
    serializer_class = ContactSerializer
    filterset_class = ContactFilter
    search_fields = ("name", "emails", "phones", "company__name")
    ordering = ("name",)
    ordering_fields = ("id", "name", "created_at", "updated_at")

    def perform_destroy(self, instance: Contact) -> None:
        contacts.delete_contact(contact_id=instance.pk, actor=self.actor)

    @extend_schema(request=None, responses=ContactSerializer)
    @action(detail=True, methods=["post"], permission_classes=[AdminOnly])
    def erase(self, request: Request, pk: str) -> Response:
        """Take away all that is known of this person, in stored requests too. What became of the deals stays."""
        erased = erase_contact(contact_id=self.get_object().pk, actor=self.actor)
        return Response(self.get_serializer(self.get_queryset().get(pk=erased.pk)).data)


class CompanySerializer(StrictModelSerializer[Company]):
    domain = serializers.CharField(required=False, allow_blank=True)
    tax_id = serializers.CharField(required=False, allow_blank=True)
    custom_fields = CustomFieldValues(required=False)
    external_ids = ExternalIds(required=False)

    class Meta:
        model = Company
        fields = ("id", "name", "domain", "tax_id", "custom_fields", "external_ids")

    def create(self, validated_data: dict[str, Any]) -> Company:
        return contacts.create_company(actor=self.context["view"].actor, fields=validated_data)

    def update(self, instance: Company, validated_data: dict[str, Any]) -> Company:
        actor = self.context["view"].actor
        return contacts.update_company(company_id=instance.pk, actor=actor, fields=validated_data)


class CompanyViewSet(_Mergeable):
    merge_door = merge_companies
    queryset = Company.objects.prefetch_related("external_id_rows")
    serializer_class = CompanySerializer
    filterset_fields = ("domain", "tax_id")
    search_fields = ("name", "domain", "tax_id")
    ordering = ("name",)
    ordering_fields = ("id", "name", "created_at", "updated_at")

    def perform_destroy(self, instance: Company) -> None:
        contacts.delete_company(company_id=instance.pk, actor=self.actor)
