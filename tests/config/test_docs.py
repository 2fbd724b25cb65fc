"""The examples of docs/receiving.md, run as they stand there against requests that we signed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from standardwebhooks import Webhook

from automations.schedule import DEFAULT_SCHEDULE
from automations.signing import generate_secret, signed_headers
from tests.processes import PROJECT
from tests.receivers import Receiver

Judge: TypeAlias = Callable[[dict[str, str], bytes, str], bool]

GUIDE = (PROJECT / "docs" / "receiving.md").read_text()
BODY = '{"type":"deal.won","data":{"deal":{"title":"Café & Pão"}},"test":false}'.encode()
SECRET, FORMER_SECRET = generate_secret(), generate_secret()

PYTHON_DRIVER = """
import json, sys
headers, body, secret = json.load(sys.stdin)
sys.exit(not is_genuine(headers, body.encode(), secret))
"""
JAVASCRIPT_DRIVER = """
import { readFileSync } from "node:fs";
const [headers, body, secret] = JSON.parse(readFileSync(0));
process.exit(isGenuine(headers, Buffer.from(body), secret) ? 0 : 1);
"""


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, flags=re.MULTILINE | re.DOTALL)


def signed(*, secrets: Sequence[str] = (SECRET,), age: timedelta = timedelta(0)) -> dict[str, str]:
    at = datetime.now(UTC) - age
    return dict(signed_headers(delivery_id="msg_1", body=BODY, secrets=secrets, at=at))


def judge_in(command: list[str], script: str, *, suffix: str, directory: Path) -> Judge:
    """A program that ends with 0 for a genuine request and with 1 for another; anything else is a mistake."""
    program = directory / f"example{suffix}"
    program.write_text(script)

    def is_genuine(headers: dict[str, str], body: bytes, secret: str) -> bool:
        told = json.dumps([headers, body.decode(), secret])
        run = subprocess.run(
            [*command, str(program)], input=told, capture_output=True, text=True, check=False
        )
        assert run.stderr == ""
        return run.returncode == 0

    return is_genuine


def judge_in_shell(script: str, *, directory: Path) -> Judge:
    def is_genuine(headers: dict[str, str], body: bytes, secret: str) -> bool:
        (directory / "request.body").write_bytes(body)
        told = {
            "ID": headers["webhook-id"],
            "TIMESTAMP": headers["webhook-timestamp"],
            "SIGNATURES": headers["webhook-signature"],
            "SECRET": secret,
        }
        run = subprocess.run(
            ["sh", "-c", script], cwd=directory, env={**os.environ, **told}, capture_output=True, check=False
        )
        assert run.stderr == b""
        return run.returncode == 0

    return is_genuine


@pytest.fixture(params=["python", "python with the library", "javascript", "openssl"])
def is_genuine(request: pytest.FixtureRequest, tmp_path: Path) -> Judge:
    if request.param == "javascript":
        script = examples("javascript")[0] + JAVASCRIPT_DRIVER
        return judge_in(["node"], script, suffix=".mjs", directory=tmp_path)
    if request.param == "openssl":
        return judge_in_shell(examples("sh")[0], directory=tmp_path)
    example = examples("python")[request.param == "python with the library"]
    return judge_in([sys.executable], example + PYTHON_DRIVER, suffix=".py", directory=tmp_path)


def test_a_request_of_ours_verifies(is_genuine: Judge) -> None:
    assert is_genuine(signed(), BODY, SECRET)


def test_a_changed_body_is_refused(is_genuine: Judge) -> None:
    assert not is_genuine(signed(), BODY.replace(b"won", b"lost"), SECRET)


def test_another_secret_is_refused(is_genuine: Judge) -> None:
    assert not is_genuine(signed(), BODY, FORMER_SECRET)


def test_another_id_is_refused(is_genuine: Judge) -> None:
    assert not is_genuine({**signed(), "webhook-id": "msg_2"}, BODY, SECRET)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_stale_or_early_timestamp_is_refused(is_genuine: Judge, minutes: int) -> None:
    assert not is_genuine(signed(age=timedelta(minutes=minutes)), BODY, SECRET)


@pytest.mark.parametrize("secret", [SECRET, FORMER_SECRET])
def test_during_a_rotation_either_secret_verifies(is_genuine: Judge, secret: str) -> None:
    assert is_genuine(signed(secrets=[SECRET, FORMER_SECRET]), BODY, secret)


def test_the_receiver_can_be_tried_with_curl(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "request.body").write_bytes(BODY)
    told = {"SECRET": SECRET, "URL": receiver.url}
    subprocess.run(["sh", "-c", examples("sh")[1]], cwd=tmp_path, env={**os.environ, **told}, check=True)
    (request,) = receiver.wait_for(1)
    assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(BODY)


def test_the_guide_shows_the_schedule_that_we_keep() -> None:
    rows = re.findall(r"^\| (\d+) \| (?:at once|(\d+) (second|minute|hour)s) \|$", GUIDE, flags=re.MULTILINE)
    units = {"": 0, "second": 1, "minute": 60, "hour": 3600}
    assert [int(number) for number, _amount, _unit in rows] == list(range(1, 11))
    assert tuple(int(amount or 0) * units[unit] for _number, amount, unit in rows) == DEFAULT_SCHEDULE
