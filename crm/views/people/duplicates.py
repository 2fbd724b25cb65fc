"""The page of duplicates: pairs that may be one, the surest first, to be merged or dismissed."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.duplicates import dismiss as dismiss_pair
from crm.duplicates import pairs_to_decide
from crm.models.duplicates import Duplicate
from crm.views.access import PageRequest
from crm.views.pages import page_of
from crm.views.people.kinds import Kind


@login_required
@require_safe
def duplicates(request: PageRequest, kind: Kind) -> HttpResponse:
    related = ("one__company", "other__company") if kind.name == "contact" else ("one", "other")
    page = page_of(pairs_to_decide(kind.model).select_related(*related), request, by="-score")
    for pair in page.rows:
        pair.labels = [Duplicate.Sign(sign).label for sign in pair.signs]
    context = {
        "kind": kind,
        "page": page,
        "to_compare": kind.model.objects.filter(duplicates_sought_at=None).count(),
    }
    return render(request, "crm/duplicates.html", context)


@login_required
@require_POST
def dismiss(request: PageRequest, pk: int, other_id: int, kind: Kind) -> HttpResponse:
    """Say that two are two, and go back to where that was said: the list, or one's page (`?from=page`)."""
    if not request.user.sees_all_deals:
        raise PermissionDenied
    one, other = kind.get(pk), kind.get(other_id)
    dismiss_pair(one=one, other=other, user=request.user, now=timezone.now())
    messages.success(request, _("“%(one)s” and “%(other)s” stay two.") % {"one": one, "other": other})
    return redirect(one) if request.POST.get("from") == "page" else redirect(f"{kind.name}-duplicates")
