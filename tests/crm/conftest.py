import pytest

from crm.actors import Actor
from crm.deals import create_deal
from crm.models import Deal, Pipeline, Stage, Team, User
from tests.crm.api import ApiClient


@pytest.fixture
def pipeline(db: None) -> Pipeline:
    pipeline = Pipeline.objects.create(name="Sales")
    for position, name in enumerate(("New", "Proposal", "Closing")):
        Stage.objects.create(pipeline=pipeline, name=name, position=position, probability=position * 40)
    return pipeline


@pytest.fixture
def stages(pipeline: Pipeline) -> list[Stage]:
    return list(pipeline.stages.all())


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user(
        "alice@example.com", "alice's password", name="Alice", role=User.Role.ADMIN
    )


@pytest.fixture
def actor(alice: User) -> Actor:
    return Actor.user(alice)


@pytest.fixture
def deal(stages: list[Stage], actor: Actor) -> Deal:
    return create_deal(actor=actor, stage=stages[0], title="ERP for a bakery")


@pytest.fixture
def team(db: None) -> Team:
    return Team.objects.create(name="South")


@pytest.fixture
def bob(team: Team) -> User:
    return User.objects.create_user("bob@example.com", "bob's password", name="Bob", team=team)


@pytest.fixture
def charlie(db: None) -> User:
    return User.objects.create_user("charlie@example.com", "charlie's password", name="Charlie")


@pytest.fixture
def api(alice: User) -> ApiClient:
    """The API as Alice, who administers."""
    return ApiClient(alice)
