"""What a load balancer and Prometheus see."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone

from automations.models import WorkerHeartbeat
from config import health
from crm.models import ApiToken, User
from crm.tokens import create_token


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_user("ana@example.com", "secret", role=User.Role.ADMIN)


def token_of(user: User, *scopes: str) -> dict[str, str]:
    _token, text = create_token(
        owner=user, name="metrics", scopes=[ApiToken.Scope(scope) for scope in scopes]
    )
    return {"Authorization": f"Bearer {text}"}


def test_a_running_process_is_alive_whatever_the_database_does(client: Client) -> None:
    assert client.get("/health/live").status_code == 200


@pytest.mark.django_db
def test_an_installation_with_database_and_migrations_is_ready(client: Client) -> None:
    WorkerHeartbeat.objects.create(name="worker", beat_at=timezone.now() - timedelta(seconds=7))

    response = client.get("/health/ready")

    assert response.status_code == 200
    answer = response.json()
    assert answer["checks"] == {"database": "ok", "migrations": "ok"}
    assert 7 <= answer["worker_heartbeat_age_seconds"] < 8
    assert answer["oldest_due_delivery_age_seconds"] is None


@pytest.mark.django_db
def test_a_heartbeat_from_the_future_does_not_hide_that_no_worker_lives(client: Client) -> None:
    now = timezone.now()
    WorkerHeartbeat.objects.create(name="died while its clock was ahead", beat_at=now + timedelta(hours=1))
    assert client.get("/health/ready").json()["worker_heartbeat_age_seconds"] is None
    WorkerHeartbeat.objects.create(name="died later", beat_at=now - timedelta(hours=1))
    assert client.get("/health/ready").json()["worker_heartbeat_age_seconds"] >= 3600
    assert b"stagehook_worker_heartbeat_age_seconds 36" in client.get("/metrics").content


@pytest.mark.django_db
def test_an_installation_whose_migrations_are_missing_is_not_ready(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_migrated", set())
    executor = MigrationExecutor(connection)
    executor.recorder.record_unapplied("automations", "0001_initial")

    response = client.get("/health/ready")

    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "ok", "migrations": "missing"}


@pytest.mark.django_db(transaction=True)
def test_who_asks_while_the_database_is_away_does_not_learn_where_it_is(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    connection.close()

    response = client.get("/health/ready")

    assert response.status_code == 503
    assert response.json() == {
        "status": "failing",
        "checks": {"database": "failing", "migrations": "unknown"},
    }


@pytest.mark.django_db
def test_metrics_are_shown_to_allowed_addresses(client: Client) -> None:
    response = client.get("/metrics")

    assert response.status_code == 200
    assert "stagehook_pending_deliveries 0.0" in response.content.decode()


def test_metrics_are_shown_elsewhere_to_admin_tokens_alone(client: Client, admin: User) -> None:
    def status(headers: dict[str, str]) -> int:
        return client.get("/metrics", headers=headers, REMOTE_ADDR="203.0.113.5").status_code

    assert status({}) == 401
    assert client.get("/metrics", REMOTE_ADDR="").status_code == 401
    assert client.get("/metrics", REMOTE_ADDR="::ffff:127.0.0.1").status_code == 200
    assert status(token_of(admin, "read", "write")) == 403
    assert status(token_of(admin, "admin")) == 200
