"""Every preset is put to the same tests: a new system is a new folder and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crm.models import Call, Deal, Pipeline
from tests.webhooks.conftest import Sender
from webhooks.contents import judged, records_in
from webhooks.endpoints import create_endpoint
from webhooks.mapping import NotWanted, check_mapping
from webhooks.models import InboundEndpoint
from webhooks.presets import CATEGORIES, FOLDER, UnknownPreset, list_presets, read_preset
from webhooks.recording_access import take_recording_auth

PRESETS = {preset.key: preset for preset in list_presets()}
LANGUAGES = ("en", "pt-br")


def expected_of(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        path.with_name(f"{path.stem}.expected.json").read_text(encoding="utf-8")
    )
    return told


def examples() -> Iterator[tuple[str, Path]]:
    """Each example of a body with its preset; beside it stands `<event>.expected.json`."""
    for key in PRESETS:
        for path in sorted((FOLDER / key / "examples").iterdir()):
            if not path.name.endswith(".expected.json"):
                yield key, path


EXAMPLES = [pytest.param(key, path, id=f"{key}-{path.stem}") for key, path in examples()]


def test_presets_stand_in_the_order_of_their_categories_and_names() -> None:
    order = [(list(CATEGORIES).index(preset.category), preset.name.lower()) for preset in list_presets()]
    assert order == sorted(order)
    assert {preset.category for preset in list_presets()} == set(CATEGORIES)


def test_an_unknown_preset_is_refused_with_the_names_of_the_known_ones() -> None:
    with pytest.raises(UnknownPreset, match=r"“nobody”.*piperun.*stripe"):
        read_preset("nobody")


def test_a_path_is_no_preset() -> None:
    with pytest.raises(UnknownPreset):
        read_preset("../presets/stripe")


@pytest.mark.parametrize("key", PRESETS)
def test_a_preset_has_examples_of_what_it_takes_and_of_what_it_leaves(key: str) -> None:
    told = [expected_of(path) for each, path in examples() if each == key]
    assert any("documents" in each for each in told)
    assert any("ignored" in each for each in told)


@pytest.mark.parametrize(("key", "path"), EXAMPLES)
def test_an_example_says_what_comes_of_it(key: str, path: Path) -> None:
    told = expected_of(path)
    assert told.keys() - {"headers"} in ({"content_type", "documents"}, {"content_type", "ignored"})


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", PRESETS)
def test_a_guide_says_where_the_url_belongs_and_what_arrives(key: str, language: str) -> None:
    guide = PRESETS[key].guide(language)
    headings = [line for line in guide.splitlines() if line.startswith("#")]
    assert "{url}" in guide
    assert headings[0].startswith("# ")
    assert (
        headings[1:]
        == {
            "en": ["## Connect", "## What arrives", "## What does not"],
            "pt-br": ["## Conectar", "## O que chega", "## O que não chega"],
        }[language]
    )


@pytest.mark.parametrize("key", PRESETS)
def test_a_preset_has_a_mapping_that_may_be_saved(key: str) -> None:
    assert check_mapping(PRESETS[key].settings["mapping"]) == []


@pytest.mark.parametrize(("key", "path"), EXAMPLES)
def test_an_example_gives_exactly_the_documents_beside_it(key: str, path: Path) -> None:
    told = expected_of(path)
    assert documents_in(key, path, told) == {
        name: told[name] for name in ("documents", "ignored") if name in told
    }


def documents_in(key: str, path: Path, told: dict[str, Any]) -> dict[str, object]:
    try:
        records = records_in(
            mapping=PRESETS[key].settings["mapping"],
            page=None,
            body=path.read_bytes(),
            content_type=told["content_type"],
            headers=told.get("headers", {}),
        )
    except NotWanted as error:
        return {"ignored": error.why}
    assert judged(records)
    return {"documents": [record.document for record in records]}


@pytest.mark.parametrize("key", [key for key, preset in PRESETS.items() if preset.recordings])
def test_what_a_preset_says_of_recordings_may_be_set_once_there_are_credentials(key: str) -> None:
    endpoint, told = InboundEndpoint(), PRESETS[key].recordings
    take_recording_auth(endpoint, {**told, "username": "ana", "secret": "theirs"})
    assert endpoint.recording_auth == {**told, "username": "ana"}


@pytest.mark.parametrize(("key", "path"), EXAMPLES)
def test_an_example_posted_to_an_endpoint_of_its_preset_is_applied_or_ignored(
    key: str, path: Path, pipeline: Pipeline
) -> None:
    told = expected_of(path)
    fields = {"name": key, "preset": key, "verification": {"scheme": "none"}, "default_pipeline": pipeline}
    endpoint = create_endpoint(fields=fields, created_by=None)
    answer = Sender(endpoint).post(
        path.read_bytes(), content_type=told["content_type"], **told.get("headers", {})
    )
    only_of_known_people = all(each.get("if_missing") == "ignore" for each in told.get("documents", []))
    assert endpoint.requests.get().state == ("ignored" if only_of_known_people else "applied"), answer.content
    assert (Deal.objects.exists() or Call.objects.exists()) is not only_of_known_people
