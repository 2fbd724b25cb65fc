"""A kept recording as an answer."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from crm.models import Call
from crm.stored import stored_response


def sound_response(request: HttpRequest, call: Call) -> HttpResponseBase:
    """As `crm.stored.stored_response`. Raises Http404 where nothing is kept."""
    answer = stored_response(request, call.recording_file.name or "")
    is_sound = call.recording_type.startswith("audio/")
    answer["Content-Type"] = call.recording_type if is_sound else "application/octet-stream"
    suffix = str(call.recording_file.name).rpartition(".")[2]
    kind = "inline" if is_sound else "attachment"
    answer["Content-Disposition"] = f'{kind}; filename="call-{call.pk}.{suffix}"'
    return answer
