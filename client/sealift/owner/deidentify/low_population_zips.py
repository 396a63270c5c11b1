"""Three-digit ZIP codes of areas with 20,000 people or fewer: 45 CFR 164.514(b)(2)(i)(B).

Sources: U.S. Census Bureau, 2020 Census, Demographic and Housing Characteristics File, table P1
for all ZIP Code Tabulation Areas (33,774 areas, 334,726,586 people in the states, the District of
Columbia and Puerto Rico), added up by the first three digits. The areas of the Census of 2000 are
in the guidance of the Office for Civil Rights of 26 November 2012, which says not to rely on them
once newer data are published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

CENSUS_YEAR = 2020
"""The year of the census behind `CENSUS_AREAS`."""

LEAST_PEOPLE = 20_000
"""An area with this many people or fewer is not shown."""

_COUNTED = (
    *("036", "059", "102", "202", "203", "204", "205", "369", "556", "692", "753"),
    *("772", "821", "823", "878", "879", "884", "893"),
)
# Codes in which the census counted nobody: of the military, of single firms and agencies, of the
# Pacific islands and the Virgin Islands, whose censuses are separate, and codes not in use.
_NOT_COUNTED = """
    000 001 002 003 004 005 008 055 090 091 092 093 094 095 096 097 098 099 192 213 269 311 332 340
    343 345 348 353 375 399 419 428 429 459 509 517 518 519 529 533 536 552 555 568 569 578 579 589
    621 632 642 643 649 659 663 682 694 695 696 697 698 699 702 709 715 732 733 742 771 817 818 819
    839 842 848 849 854 858 861 862 866 867 868 869 872 876 885 886 887 888 889 892 896 899 901 909
    929 938 942 962 963 964 965 966 969 987
"""
CENSUS_AREAS = frozenset((*_COUNTED, *_NOT_COUNTED.split()))
"""The ZIP prefixes in which the Census of 2020 did not count more than 20,000 people."""

_OF_2000 = "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893"
CENSUS_2000_AREAS = frozenset(_OF_2000.split())
"""The ZIP prefixes that policies of format 1 named; they became 000 as well."""


def low_population_areas(people: Mapping[str, int]) -> frozenset[str]:
    """Return the ZIP prefixes in which not more than 20,000 people live, of all 1,000.

    Args:
        people: number of people by ZIP code or ZIP Code Tabulation Area of five digits.
    """
    counted: Counter[str] = Counter()
    for code, number in people.items():
        counted[code[:3]] += number
    every = (f"{prefix:03d}" for prefix in range(1000))
    return frozenset(prefix for prefix in every if counted[prefix] <= LEAST_PEOPLE)
