"""The CRM application. Loading it puts the verbs of `crm.deals` behind `Deal.door`."""

from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_delete, pre_migrate


class CrmConfig(AppConfig):
    name = "crm"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("crm.deals")
        recordings, models = import_module("crm.recordings"), import_module("crm.models")
        pre_migrate.connect(import_module("crm.trigrams").create_extension, sender=self)
        post_delete.connect(recordings.delete_file_of, sender=models.Call)
