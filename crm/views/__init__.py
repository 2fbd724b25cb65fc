"""The CRM's pages. A view translates: it reads the request, makes one call into `crm`, and renders the answer."""
