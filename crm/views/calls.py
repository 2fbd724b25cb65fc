"""The recordings of calls: heard by whoever may see the deal, and tried again where they could not be brought."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.models import Call
from crm.recordings import NotRetryable, retry
from crm.sounds import sound_response
from crm.views.access import PageRequest


@login_required
@require_safe
def recording(request: PageRequest, call_id: int) -> HttpResponseBase:
    call = get_object_or_404(Call.objects.audible_to(request.user), pk=call_id)
    return sound_response(request, call)


@login_required
@require_POST
def retry_recording(request: PageRequest, call_id: int) -> HttpResponse:
    call = get_object_or_404(Call.objects.audible_to(request.user), pk=call_id)
    try:
        retry(call_id=call.pk, now=timezone.now())
    except NotRetryable as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The recording will be downloaded."))
    return redirect(call.deal or "home")
