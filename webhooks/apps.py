"""The inbound application. Loading it connects what it hears of the CRM and adds to its pages."""

from importlib import import_module

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        signals, receivers = import_module("crm.signals"), import_module("webhooks.receivers")
        signals.timeline_requested.connect(receivers.timeline_of)
        signals.recording_offered.connect(receivers.send_for_recording)
        signals.contact_erased.connect(receivers.erase_contact)
        signals.traffic_requested.connect(receivers.traffic_of)
        signals.erasure_requested.connect(receivers.touched_by_erasing)
