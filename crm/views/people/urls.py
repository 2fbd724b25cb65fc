"""The addresses of contacts and companies, below `/contacts/` and `/companies/`."""

from django.urls import URLPattern, path

from crm.views import exports
from crm.views.people import creating, duplicates, erasing, listing, merging, pages
from crm.views.people.kinds import COMPANIES, CONTACTS, Kind


def _of(kind: Kind) -> list[URLPattern]:
    name, of_kind = kind.name, {"kind": kind}
    return [
        path("", listing.listing, of_kind, name=kind.list_name),
        path("export/", exports.people, of_kind, name=kind.export_name),
        path("new/", creating.new, of_kind, name=f"new-{name}"),
        path("duplicates/", duplicates.duplicates, of_kind, name=f"{name}-duplicates"),
        path("<int:pk>/", pages.party, of_kind, name=name),
        path("<int:pk>/fields/<str:name>/", pages.edit_field, of_kind, name=f"{name}-field"),
        path("<int:pk>/merge/", merging.choose, of_kind, name=f"merge-{name}-with"),
        path("<int:pk>/merge/<int:other_id>/", merging.merge, of_kind, name=f"merge-{name}"),
        path("<int:pk>/differs/<int:other_id>/", duplicates.dismiss, of_kind, name=f"dismiss-{name}"),
    ]


contacts: list[URLPattern] = [*_of(CONTACTS), path("<int:pk>/erase/", erasing.erase, name="erase-contact")]
companies: list[URLPattern] = _of(COMPANIES)
