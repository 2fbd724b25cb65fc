"""The addresses of the pages."""

from django.urls import URLPattern, URLResolver, path

from automations.views import (
    deliveries,
    delivery,
    destinations,
    failing,
    log_export,
    log_hours,
    manual,
    overview,
    rules,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("automations/", overview.rules, name="rules"),
    path("automations/rules/order/", overview.order, name="order-rules"),
    path("automations/rules/new/", rules.new_rule, name="new-rule"),
    path("automations/rules/preview/", rules.preview, name="preview-rule"),
    path("automations/rules/document/", rules.document, name="rule-document"),
    path("automations/rules/if-it-fails/", failing.if_it_fails, name="if-it-fails"),
    path("automations/rules/deals/", rules.find_deals, name="rule-deals"),
    path("automations/rules/condition/", rules.condition, name="rule-condition"),
    path("automations/rules/<int:rule_id>/", rules.rule, name="rule"),
    path("automations/rules/<int:rule_id>/toggle/", overview.toggle_rule, name="toggle-rule"),
    path("automations/rules/<int:rule_id>/copy/", overview.duplicate_rule, name="copy-rule"),
    path("automations/rules/<int:rule_id>/delete/", rules.remove_rule, name="delete-rule"),
    path("automations/rules/<int:rule_id>/run/", manual.run, name="run-rule"),
    path("automations/test/", rules.test_send, name="test-send"),
    path("automations/destinations/", destinations.destinations, name="destinations"),
    path("automations/destinations/new/", destinations.new_destination, name="new-destination"),
    path("automations/destinations/<int:destination_id>/", destinations.destination, name="destination"),
    path(
        "automations/destinations/<int:destination_id>/pause/", destinations.pause, name="pause-destination"
    ),
    path(
        "automations/destinations/<int:destination_id>/resume/",
        destinations.resume,
        name="resume-destination",
    ),
    path(
        "automations/destinations/<int:destination_id>/probe/", destinations.probe, name="probe-destination"
    ),
    path(
        "automations/destinations/<int:destination_id>/recover/",
        destinations.recover_since,
        name="recover-destination",
    ),
    path(
        "automations/destinations/<int:destination_id>/secret/",
        destinations.reveal_secret,
        name="destination-secret",
    ),
    path(
        "automations/destinations/<int:destination_id>/rotate/",
        destinations.rotate,
        name="rotate-destination",
    ),
    path(
        "automations/destinations/<int:destination_id>/delete/",
        destinations.remove_destination,
        name="delete-destination",
    ),
    path("automations/deliveries/", deliveries.deliveries, name="deliveries"),
    path("automations/deliveries/newer/", deliveries.newer, name="newer-deliveries"),
    path("automations/deliveries/hours/", log_hours.hours, name="hours-of-deliveries"),
    path("automations/deliveries/export/", log_export.export_deliveries, name="export-deliveries"),
    path("automations/deliveries/many/", deliveries.act_on_many, name="many-deliveries"),
    path("automations/deliveries/jobs/<int:job_id>/", deliveries.job, name="resend-job"),
    path("automations/deliveries/jobs/<int:job_id>/stop/", deliveries.stop_job, name="stop-resend-job"),
    path("automations/deliveries/<str:delivery_id>/", delivery.delivery, name="delivery"),
    path("automations/deliveries/<str:delivery_id>/resend/", deliveries.resend, name="resend-delivery"),
    path("automations/deliveries/<str:delivery_id>/cancel/", deliveries.cancel, name="cancel-delivery"),
]
