"""Three-digit ZIP codes of areas with 20,000 people or fewer.

Source: U.S. Department of Health and Human Services, Office for Civil Rights, "Guidance Regarding
Methods for De-identification of Protected Health Information in Accordance with the HIPAA Privacy
Rule", 26 November 2012, on 45 CFR 164.514(b)(2)(i)(B), from the Census of 2000.
"""

from __future__ import annotations

LOW_POPULATION_ZIPS = (
    "036",
    "059",
    "063",
    "102",
    "203",
    "556",
    "692",
    "790",
    "821",
    "823",
    "830",
    "831",
    "878",
    "879",
    "884",
    "890",
    "893",
)
"""The ZIP prefixes that become 000."""
