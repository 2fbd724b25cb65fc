"""The outbound side. Loading it connects it to the facts of the CRM."""

from importlib import import_module

from django.apps import AppConfig


class AutomationsConfig(AppConfig):
    name = "automations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("automations.receivers").connect()
