"""What a person has been told: the list behind the bell, and each notice's way to what it is about."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from crm.notices import mark_read
from crm.views.access import PageRequest
from crm.views.pages import page_of


@login_required
@require_safe
def notices(request: PageRequest) -> HttpResponse:
    """One's own notices, newest first."""
    page = page_of(request.user.notices.all(), request, by="-pk")
    unread = any(notice.read_at is None for notice in page.rows)
    return render(request, "crm/notices.html", {"page": page, "unread": unread})


@login_required
@require_safe
def notice(request: PageRequest, notice_id: int) -> HttpResponse:
    """Opens what a notice is about, which is then read."""
    found = get_object_or_404(request.user.notices, pk=notice_id)
    mark_read(user=request.user, notice_id=notice_id, now=timezone.now())
    return redirect(found.url or "notices")


@login_required
@require_POST
def read_all(request: PageRequest) -> HttpResponse:
    mark_read(user=request.user, now=timezone.now())
    return redirect("notices")
