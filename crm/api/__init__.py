"""The REST API of the CRM, and the parts that every resource of Stagehook's API is made of.

Parts: authentication, permissions, serializers, viewsets, pagination, idempotency, errors, schema. The other
modules hold resources, a file a subject. They translate only: whatever is a rule stands behind the doors.
"""
