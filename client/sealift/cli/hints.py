"""What to do about an error, in the command line's own words: its commands and options.

An error's hint speaks of the Python API, in backquotes: that is what a notebook shows. Here each
parameter and call has the option or command that does the same.
"""

from __future__ import annotations

import re

from sealift_protocol.errors import SealiftError

WORDS = {
    "accept_policy=True": "--accept-policy",
    "crypt4gh_key": "--crypt4gh-key FILE",
    "cursor_column": "--cursor-column",
    "encoding": "--encoding",
    "from_start=True": "--from-start",
    "kind": "--format",
    'kind="csv"': "--format csv",
    'kind="fhir"': "--format fhir",
    'kind="files"': "--format files",
    "on_change=OnChange.PUSH": "--on-change push",
    "on_change=OnChange.SKIP": "--on-change skip",
    'on_error="skip"': "--on-error skip",
    "out": "--out",
    "passphrase": "--passphrase-fd",
    "pixels=False": "--no-pixels",
    "policy": "--policy",
    "profile": "--profile",
    "profile_name": "--profile",
    'push("-", kind="arrow")': "`sealift push - --format arrow < FILE`",
    'push("-", kind="csv")': "`export-visits | sealift push - --format csv ...`",
    "query": "--query",
    'query="SELECT …"': "--query 'SELECT …'",
    "resource": "--resource",
    "session.dataset(dataset).access()": "`sealift access --json`",
    "session.trust(name, fingerprint)": "`sealift trust add NAME FINGERPRINT`",
    "subject_column": "--subject-column",
    "suites=[WrapSuite.P256]": "--suite p-256",
    "tls_key_in_keystore": "--tls-key-in-keystore",
    "types": "--types NAME=TYPE",
    "whole": "--whole",
    "write_parquet": "--as parquet",
    "whole=True": "--whole",
}
"""What an error says of the API, and what the command line says instead."""

_QUOTED = r"`([^`]+)`"


def hint_of(error: SealiftError) -> str:
    """The hint of an error for the terminal."""
    return in_options(error.hint)


def in_options(text: str) -> str:
    """A text that names parameters of the API, with the options of the command line instead."""
    return re.sub(_QUOTED, lambda quoted: WORDS.get(quoted[1], quoted[0]), text)
