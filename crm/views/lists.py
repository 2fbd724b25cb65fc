"""The lists of contacts and companies, each with a search."""

from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.db.models.lookups import Contains
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from crm.folding import fold
from crm.models import Company, Contact
from crm.models.contacts import company_words, contact_words
from crm.views.access import PageRequest
from crm.views.pages import page_of


def found_contacts(request: PageRequest) -> QuerySet[Contact]:
    """Contacts, narrowed by `?q=`: each word stands in what search knows of them, or of their company."""
    rows = Contact.objects.select_related("company")
    for word in fold(_typed(request)).split():
        companies = Company.objects.filter(Contains(company_words(), word)).order_by()
        ids = Contact.objects.order_by().values("pk")
        of_them = ids.filter(company__in=companies.values("pk"))
        rows = rows.filter(
            pk__in=ids.filter(Contains(contact_words(), word)).union(
                ids.filter(emails__contains=[word]), of_them
            )
        )
    return rows


def found_companies(request: PageRequest) -> QuerySet[Company]:
    """Companies, narrowed by `?q=` in name, domain or tax id."""
    rows = Company.objects.all()
    for word in fold(_typed(request)).split():
        digits = "".join(filter(str.isdigit, word))
        found = Q(Contains(company_words(), word))
        rows = rows.filter(found | Q(tax_id__startswith=digits) if digits else found)
    return rows


def _typed(request: PageRequest) -> str:
    return request.GET.get("q", "").replace("\0", "").strip()


@login_required
@require_safe
def contacts(request: PageRequest) -> HttpResponse:
    """Contacts by name."""
    page = page_of(found_contacts(request), request, by="name")
    return render(request, "crm/contacts.html", {"page": page, "q": _typed(request)})


@login_required
@require_safe
def companies(request: PageRequest) -> HttpResponse:
    """Companies by name."""
    page = page_of(found_companies(request), request, by="name")
    return render(request, "crm/companies.html", {"page": page, "q": _typed(request)})
