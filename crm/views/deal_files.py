"""The files of a deal: taken home and deleted. Who sees the deal sees them."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from crm.actors import Actor
from crm.deals import UnknownDeals
from crm.files import delete_file, file_response
from crm.models import Deal, DealFile
from crm.views.access import PageRequest
from crm.views.deal_products import done


def _visible(request: PageRequest, file_id: int) -> DealFile:
    deals = Deal.objects.visible_to(request.user).order_by()
    return get_object_or_404(DealFile.objects.select_related("deal"), pk=file_id, deal__in=deals.values("pk"))


@login_required
@require_safe
def download(request: PageRequest, file_id: int) -> HttpResponseBase:
    return file_response(request, _visible(request, file_id))


@login_required
@require_http_methods(["GET", "POST"])
def delete(request: PageRequest, file_id: int) -> HttpResponse:
    """The question; on POST the file is deleted."""
    found = _visible(request, file_id)
    if request.method == "GET":
        return render(request, "crm/_file_question.html", {"file": found})
    try:
        delete_file(file_id=found.pk, actor=Actor.user(request.user))
    except (DealFile.DoesNotExist, UnknownDeals) as error:
        raise Http404 from error
    return done([found.deal_id], _("“%(name)s” was deleted.") % {"name": found.name})
