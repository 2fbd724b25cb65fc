"""What receiving is compared with: a Django view that stores the body and does nothing else.

Served like the real ones, by the settings beside it: the same middleware, database and web server.
"""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from webhooks.models import InboundRequest


@csrf_exempt
def store(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    InboundRequest.objects.create(
        endpoint_id=endpoint_id, received_at=timezone.now(), state="ignored", body=request.body
    )
    return HttpResponse(b"ok")


urlpatterns = [path("bare/<int:endpoint_id>/", store), path("health/live", lambda _request: HttpResponse())]
