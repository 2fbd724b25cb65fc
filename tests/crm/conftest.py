import pytest

from crm.actors import Actor
from crm.deals import create_deal
from crm.models import Deal, Pipeline, Stage, User


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
