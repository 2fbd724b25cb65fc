"""The addresses of the inbound side."""

from django.urls import URLPattern, URLResolver, path, re_path

from webhooks import gallery, log_export, pages, review_pages
from webhooks.editor import pages as editor
from webhooks.editor import trying
from webhooks.receiving import receive
from webhooks.recording_pages import recording_access

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^in/(?P<key>[A-Za-z0-9_-]{20,64})/\Z", receive, name="receive"),
    # Without the last slash too, because a redirect would lose the body.
    re_path(r"^in/(?P<key>[A-Za-z0-9_-]{20,64})\Z", receive),
    path("webhooks/", pages.endpoints, name="endpoints"),
    path("webhooks/endpoints/new/", pages.new_endpoint, name="new-endpoint"),
    path("webhooks/endpoints/new/<slug:key>/", gallery.new_from_preset, name="new-endpoint-from-preset"),
    path("webhooks/endpoints/<int:endpoint_id>/", pages.endpoint, name="endpoint"),
    path("webhooks/endpoints/<int:endpoint_id>/recordings/", recording_access, name="recording-access"),
    path("webhooks/endpoints/<int:endpoint_id>/url/", pages.new_url, name="rotate-endpoint-url"),
    path("webhooks/endpoints/<int:endpoint_id>/secret/", pages.new_secret, name="rotate-endpoint-secret"),
    path("webhooks/endpoints/<int:endpoint_id>/delete/", pages.remove_endpoint, name="delete-endpoint"),
    path("webhooks/endpoints/<int:endpoint_id>/mapping/", editor.mapping, name="endpoint-mapping"),
    path("webhooks/endpoints/<int:endpoint_id>/mapping/row/", editor.mapping_row, name="mapping-row"),
    path(
        "webhooks/endpoints/<int:endpoint_id>/mapping/result/", editor.mapping_result, name="mapping-result"
    ),
    path("webhooks/endpoints/<int:endpoint_id>/mapping/rows/", editor.mapping_rows, name="mapping-rows"),
    path(
        "webhooks/endpoints/<int:endpoint_id>/mapping/preview/",
        editor.mapping_preview,
        name="mapping-preview",
    ),
    path(
        "webhooks/endpoints/<int:endpoint_id>/mapping/trial/",
        trying.mapping_trial,
        name="mapping-trial",
    ),
    path(
        "webhooks/endpoints/<int:endpoint_id>/mapping/arrivals/",
        trying.mapping_arrivals,
        name="mapping-arrivals",
    ),
    path("webhooks/review/", review_pages.review, name="inbound-review"),
    path("webhooks/requests/<str:request_id>/decide/", review_pages.decide_request, name="decide-request"),
    path("webhooks/endpoints/<int:endpoint_id>/replay/", review_pages.replay_many, name="replay-many"),
    path("webhooks/replays/<int:job_id>/", review_pages.replay_job, name="replay-job"),
    path("webhooks/replays/<int:job_id>/stop/", review_pages.stop_replay, name="stop-replay"),
    path("webhooks/requests/", pages.requests, name="inbound-requests"),
    path("webhooks/requests/export/", log_export.export_requests, name="export-requests"),
    path("webhooks/requests/newer/", pages.newer_requests, name="newer-requests"),
    path("webhooks/requests/<str:request_id>/", pages.inbound_request, name="inbound-request"),
    path("webhooks/requests/<str:request_id>/replay/", pages.replay_request, name="replay-request"),
]
