"""What deals are narrowed by, on the board, in lists, in sums, in exports and through the API: one definition for all.

`read_filters` makes a `DealFilters` of a query string, and that narrows any set of deals. What cannot be understood is
never guessed at: it is kept in `problems`, which a page shows as a notice and the API answers with 400.
"""

from crm.filters.deals import FILTERS, DealFilters, Filter, Given, read_filters

__all__ = ["FILTERS", "DealFilters", "Filter", "Given", "read_filters"]
