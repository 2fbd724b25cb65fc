"""Companies as people name them."""

from crm.actors import current_actor
from crm.contacts import create_company
from crm.models import Company


def company_named(name: str) -> Company:
    """The company of that name, whatever its case; made where there is none. Raises InvalidFields."""
    existing = Company.objects.filter(name__iexact=name).first()
    return existing or create_company(actor=current_actor(), fields={"name": name})
