"""The lists: deals, contacts and companies, each with a search."""

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from crm.models import Company, Contact, Deal, Pipeline
from crm.views.access import PageRequest
from crm.views.pages import page_of


@login_required
@require_safe
def deals(request: PageRequest) -> HttpResponse:
    """Deals, newest first, narrowed by `?q=`, `?pipeline=` and `?status=`."""
    typed, pipeline, status = (request.GET.get(name, "").strip() for name in ("q", "pipeline", "status"))
    rows = Deal.objects.visible_to(request.user).select_related("company", "stage__pipeline", "owner")
    if typed:
        rows = rows.filter(
            Q(title__icontains=typed) | Q(company__name__icontains=typed) | Q(contact__name__icontains=typed)
        )
    if pipeline.isdecimal():
        rows = rows.filter(pipeline=int(pipeline))
    if status in Deal.Status:
        rows = rows.filter(status=status)
    context = {
        "page": page_of(rows.defer("custom_fields"), request, by="-created_at"),
        "pipelines": Pipeline.objects.filter(archived=False),
        "statuses": Deal.Status.choices,
        "q": typed,
        "pipeline": pipeline,
        "status": status,
    }
    return render(request, "crm/deals.html", context)


@login_required
@require_safe
def contacts(request: PageRequest) -> HttpResponse:
    """Contacts by name, narrowed by `?q=` in name, e-mail or company."""
    typed = request.GET.get("q", "").strip()
    rows = Contact.objects.select_related("company")
    if typed:
        rows = rows.filter(
            Q(name__icontains=typed) | Q(emails__icontains=typed) | Q(company__name__icontains=typed)
        )
    return render(request, "crm/contacts.html", {"page": page_of(rows, request, by="name"), "q": typed})


@login_required
@require_safe
def companies(request: PageRequest) -> HttpResponse:
    """Companies by name, narrowed by `?q=` in name, domain or tax id."""
    typed = request.GET.get("q", "").strip()
    rows = Company.objects.all()
    if typed:
        digits = "".join(filter(str.isdigit, typed))
        found = Q(name__icontains=typed) | Q(domain__icontains=typed)
        rows = rows.filter(found | Q(tax_id__startswith=digits) if digits else found)
    return render(request, "crm/companies.html", {"page": page_of(rows, request, by="name"), "q": typed})
