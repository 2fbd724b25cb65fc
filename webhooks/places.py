"""In which stage a document wants its deal: by name or by id, in the pipeline it names or in the endpoint's own."""

from collections.abc import Mapping
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from crm.models import Deal, Pipeline, Stage
from webhooks.documents import Document, InvalidDocument, problem
from webhooks.models import InboundEndpoint


def named_pipeline(document: Document) -> Pipeline | None:
    """The pipeline that the document names. Raises InvalidDocument where there is no such one."""
    told = document.get("deal", {})
    rows = Pipeline.objects.filter(archived=False)
    if (pipeline_id := told.get("pipeline_id")) is not None:
        said = _("There is no pipeline with the id %(id)d.") % {"id": pipeline_id}
        return rows.filter(pk=pipeline_id).first() or unknown("pipeline_id", said)
    if (name := told.get("pipeline")) is not None:
        return rows.filter(name=name).first() or unknown(
            "pipeline", _("There is no pipeline “%(name)s”.") % {"name": name}
        )
    return None


def wanted_stage(
    told: Mapping[str, Any],
    *,
    deal: Deal | None,
    pipeline: Pipeline | None,
    endpoint: InboundEndpoint,
    forward_only: bool,
) -> Stage:
    """The stage the deal shall be in: the named one, else where it is, else where the endpoint's new deals go.

    `pipeline` is the one that was named. With `forward_only` a deal that is further already stays where it is.
    """
    if deal is None:
        return _stage_of_new(told, pipeline=pipeline, endpoint=endpoint)
    if "stage" not in told and "stage_id" not in told:
        if pipeline not in (None, deal.pipeline):
            raise InvalidDocument(
                [problem("required", "deal.stage", _("Another pipeline needs a stage too."))]
            )
        return deal.stage
    wanted = _named(told, deal.pipeline_id if pipeline is None else pipeline.pk, anywhere=pipeline is None)
    goes_back = wanted.pipeline_id == deal.pipeline_id and wanted.position < deal.stage.position
    return deal.stage if forward_only and goes_back else wanted


def _stage_of_new(told: Mapping[str, Any], *, pipeline: Pipeline | None, endpoint: InboundEndpoint) -> Stage:
    if "stage" in told or "stage_id" in told:
        pipeline_id = pipeline.pk if pipeline else own_pipeline_id(endpoint) or _first_pipeline_id()
        return _named(told, pipeline_id, anywhere=pipeline is None)
    stages = Stage.objects.only("pipeline")  # a new deal's stage is locked and read before it is written
    default = stages.filter(pk=endpoint.default_stage_id).first() if endpoint.default_stage_id else None
    if default and (pipeline is None or default.pipeline_id == pipeline.pk):
        return default
    pipeline_id = pipeline.pk if pipeline else endpoint.default_pipeline_id or _first_pipeline_id()
    first = stages.filter(pipeline=pipeline_id).first()
    if first is None:
        unknown("stage", _("The pipeline “%(name)s” has no stage.") % {"name": _name_of(pipeline_id)})
    return first


def own_pipeline_id(endpoint: InboundEndpoint) -> int | None:
    """Where the endpoint's new deals go, as far as it says."""
    return endpoint.default_stage.pipeline_id if endpoint.default_stage else endpoint.default_pipeline_id


def _named(told: Mapping[str, Any], pipeline_id: int, *, anywhere: bool) -> Stage:
    """The stage by its id, in any pipeline unless one was named, or by its name in the pipeline."""
    stages = Stage.objects.select_related("pipeline")
    if (stage_id := told.get("stage_id")) is not None:
        rows = stages.filter(pipeline__archived=False) if anywhere else stages.filter(pipeline=pipeline_id)
        said = _("There is no stage with the id %(id)d there.") % {"id": stage_id}
        return rows.filter(pk=stage_id).first() or unknown("stage_id", said)
    found = stages.filter(pipeline=pipeline_id, name=told["stage"]).first()
    if found is None:
        named = {"name": told["stage"], "pipeline": _name_of(pipeline_id)}
        unknown("stage", _("There is no stage “%(name)s” in “%(pipeline)s”.") % named)
    return found


def _first_pipeline_id() -> int:
    pipeline = Pipeline.objects.filter(archived=False).first()
    return pipeline.pk if pipeline else unknown("pipeline", _("There is no pipeline yet."))


def _name_of(pipeline_id: int) -> str:
    return Pipeline.objects.values_list("name", flat=True).get(pk=pipeline_id)


def unknown(name: str, message: str) -> NoReturn:
    """Refuse a name that stands for nothing of ours."""
    raise InvalidDocument([problem("unknown", f"deal.{name}", message)])
