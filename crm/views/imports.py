"""Importing, page by page: the list, the file, its columns, what would happen, how far it is, and undoing."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.csv_export import BOM, lines
from crm.imports import jobs
from crm.imports.plans import Choices
from crm.imports.targets import Entity
from crm.imports.undoing import forecast_undo
from crm.imports.values import Cell, Decimals
from crm.models import Import, ImportJob, ImportRow
from crm.refusals import Refused
from crm.views.access import PageRequest, manager_required
from crm.views.import_forms import MappingForm, UploadForm
from crm.views.pages import page_of

State, Kind = ImportJob.State, ImportJob.Kind
_TROUBLE = (ImportRow.Outcome.FAILED, ImportRow.Outcome.SKIPPED)
_SHOWN = 20  # rows with problems on the page; the file has them all


@manager_required
@require_safe
def imports(request: PageRequest) -> HttpResponse:
    """All that was ever imported, newest first."""
    page = page_of(Import.objects.select_related("created_by").prefetch_related("jobs"), request, by="-id")
    return render(request, "crm/imports/list.html", {"page": page, "rows": map(_standing, page.rows)})


@manager_required
@require_http_methods(["GET", "POST"])
def new_import(request: PageRequest) -> HttpResponse:
    """Takes a file of what `?of=` names."""
    form = UploadForm(request.POST or None, request.FILES or None, initial={"entity": request.GET.get("of")})
    if form.is_valid():
        imported = jobs.take_in(
            table=form.cleaned_data["table"],
            entity=Entity(form.cleaned_data["entity"]),
            file_name=form.cleaned_data["file"].name,
            by=request.user,
        )
        return redirect("import-mapping", imported.pk)
    return render(request, "crm/imports/new.html", {"form": form}, status=422 if form.is_bound else 200)


@manager_required
@require_http_methods(["GET", "POST"])
def mapping(request: PageRequest, import_id: int) -> HttpResponse:
    """What each column becomes; then it is checked what a run would do."""
    imported = get_object_or_404(Import, pk=import_id)
    if imported.run:
        return redirect("import", imported.pk)
    form = MappingForm(imported, request.user, request.POST or None)
    if form.is_valid():
        return _done(
            request,
            imported,
            lambda: jobs.start_check(
                import_id=imported.pk, mapping=form.mapping, choices=form.choices, by=request.user
            ),
        )
    context = {"imported": imported, "form": form}
    return render(request, "crm/imports/mapping.html", context, status=422 if form.is_bound else 200)


@manager_required
@require_safe
def imported(request: PageRequest, import_id: int) -> HttpResponse:
    """Where an import stands. What moves asks for itself anew, which htmx does for it."""
    found = get_object_or_404(Import.objects.select_related("created_by"), pk=import_id)
    context = _standing(found)
    if context["job"] is None:
        return redirect("import-mapping", found.pk)
    if found.run and found.run.state != State.RUNNING:
        context["trouble"] = found.rows.filter(outcome__in=_TROUBLE)[:_SHOWN]
    template = "crm/imports/_standing.html" if request.htmx else "crm/imports/import.html"
    return render(request, template, context)


@manager_required
@require_POST
def run(request: PageRequest, import_id: int) -> HttpResponse:
    found = get_object_or_404(Import, pk=import_id)
    if Choices.of(found).tells and not request.user.is_admin:
        messages.error(request, _("Only administrators may let automations run for an import."))
        return redirect("import", found.pk)
    return _done(request, found, lambda: jobs.start_run(import_id=found.pk, by=request.user))


@manager_required
@require_POST
def cancel(request: PageRequest, import_id: int) -> HttpResponse:
    """Stops what is going on."""
    found = get_object_or_404(Import, pk=import_id)
    return _done(request, found, lambda: jobs.cancel(import_id=found.pk))


@manager_required
@require_http_methods(["GET", "POST"])
def undo(request: PageRequest, import_id: int) -> HttpResponse:
    """Says what undoing would do, and begins it."""
    found = get_object_or_404(Import, pk=import_id)
    if request.method == "POST":
        return _done(request, found, lambda: jobs.start_undo(import_id=found.pk, by=request.user))
    if not _standing(found)["undoable"]:
        return redirect("import", found.pk)
    context = {"imported": found, "forecasts": forecast_undo(found), "choices": Choices.of(found)}
    return render(request, "crm/imports/undo.html", context)


@manager_required
@require_safe
def problems(request: PageRequest, import_id: int) -> HttpResponse:  # noqa: ARG001  # Django's signature
    """The rows that were not imported, with their columns and the reason, as a file that can be mended and imported."""
    found = get_object_or_404(Import, pk=import_id)
    rows = found.rows.filter(outcome__in=_TROUBLE)
    decimals = Decimals(Choices.of(found).decimals)
    body = lines([[_shown(cell, decimals) for cell in row.cells] + [row.reason] for row in rows])
    headers = {"Content-Disposition": f'attachment; filename="import-{found.pk}-problems.csv"'}
    text = BOM + lines([[*found.heads, _("Reason")]]) + body
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)


def _shown(cell: Cell, decimals: Decimals) -> Cell:
    """A number as the other numbers of the import are written."""
    if isinstance(cell, float) and decimals == Decimals.COMMA:
        return str(cell).replace(".", ",")
    return cell


def _done(request: PageRequest, imported: Import, do: Any) -> HttpResponse:
    """Do it, say why not where it is refused, and show where the import stands."""
    try:
        do()
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("import", imported.pk)


def _standing(imported: Import) -> dict[str, Any]:
    """The import, its newest job of all and its run, and what can be done with it."""
    found = sorted(imported.jobs.all(), key=lambda job: -job.pk)
    job = found[0] if found else None
    ran = next((each for each in found if each.kind == Kind.RUN), None)
    undone = any(each.kind == Kind.UNDO for each in found)
    return {
        "imported": imported,
        "job": job,
        "ran": ran,
        "checked": imported.checked,
        "undoable": ran is not None and ran.state != State.RUNNING and not undone,
    }
