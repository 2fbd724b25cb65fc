"""What the palette shows while one types."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from crm.search import find, recent
from crm.views.access import PageRequest


@login_required
@require_safe
def search(request: PageRequest) -> HttpResponse:
    """What `?q=` finds, grouped by kind; without it what `?recent=deal:7` names, which the browser remembers."""
    text = request.GET.get("q", "").strip()
    if text:
        found = find(text=text, user=request.user)
    else:
        found = recent(names=request.GET.getlist("recent"), user=request.user)
    return render(request, "crm/_search.html", {"found": found, "q": text})
