"""The pages of one contact and one company: what we know of them, and the deals one may see."""

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from crm.models import Company, Contact, CustomField, Deal, DealQuerySet
from crm.views.access import PageRequest

_NEWEST = 100


@login_required
@require_safe
def contact(request: PageRequest, contact_id: int) -> HttpResponse:
    found = get_object_or_404(
        Contact.objects.select_related("company").prefetch_related("tags"), pk=contact_id
    )
    context = {
        "contact": found,
        "added": _added(CustomField.Entity.CONTACT, found.custom_fields),
        "external_ids": found.external_id_rows.order_by("system"),
        "deals": _deals(request, Q(contact=found)),
    }
    return render(request, "crm/contact.html", context)


@login_required
@require_safe
def company(request: PageRequest, company_id: int) -> HttpResponse:
    found = get_object_or_404(Company, pk=company_id)
    context = {
        "company": found,
        "contacts": found.contacts.all()[:_NEWEST],
        "added": _added(CustomField.Entity.COMPANY, found.custom_fields),
        "external_ids": found.external_id_rows.order_by("system"),
        "deals": _deals(request, Q(company=found)),
    }
    return render(request, "crm/company.html", context)


def _deals(request: PageRequest, whose: Q) -> DealQuerySet:
    deals = Deal.objects.visible_to(request.user).filter(whose).select_related("company", "stage", "owner")
    return deals.order_by("-created_at", "-pk")[:_NEWEST]


def _added(entity: CustomField.Entity, values: dict[str, object]) -> list[tuple[str, object]]:
    """Labels and values of the added fields that have one."""
    definitions = CustomField.objects.filter(entity=entity, key__in=list(values))
    return [(definition.label, values[definition.key]) for definition in definitions]
