"""Hints of errors, with the commands and options of the command line.

A hint names parameters and calls of the Python API in backquotes, as a notebook shows them. Here
each is replaced by the option or command that does the same.
"""

from __future__ import annotations

import re

from sealift_protocol.errors import SealiftError

WORDS = {
    "accept_policy=True": "--accept-policy",
    "comment='#'": "--comment '#'",
    "crypt4gh_key": "--crypt4gh-key FILE",
    "cursor_column": "--cursor-column",
    "dates": "--dates",
    "decimal": "--decimal",
    "delimiter=' '": "--delimiter ' '",
    "delimiter=':'": "--delimiter ':'",
    "delimiter=','": "--delimiter ,",
    "delimiter=';'": "--delimiter ';'",
    "delimiter='\\t'": "--delimiter tab",
    "delimiter='|'": "--delimiter '|'",
    "delimiter='^'": "--delimiter '^'",
    "delimiter='~'": "--delimiter '~'",
    "delimiter='\\x01'": "--delimiter 01",
    "delimiter='\\x1f'": "--delimiter 1F",
    "encoding": "--encoding",
    "exclude": "--exclude",
    "include": "--include",
    "header=False": "--no-header",
    "header=True": "--header",
    "from_start=True": "--from-start",
    "kind": "--format",
    'kind="csv"': "--format csv",
    'kind="fhir"': "--format fhir",
    'kind="files"': "--format files",
    "on_change=OnChange.PUSH": "--on-change push",
    "on_change=OnChange.SKIP": "--on-change skip",
    'on_error="quarantine"': "--on-error quarantine",
    'on_error="skip"': "--on-error skip",
    "out": "--out",
    "passphrase": "--passphrase-fd",
    "pixels=False": "--no-pixels",
    "policy": "--policy",
    "pseudonym": "--pseudonym",
    "profile": "--profile",
    "profile_name": "--profile",
    'push("-", kind="arrow")': "`sealift push - --format arrow < FILE`",
    'push("-", kind="csv")': "`export-visits | sealift push - --format csv ...`",
    "query": "--query",
    'query="SELECT …"': "--query 'SELECT …'",
    "resource": "--resource",
    "view": "--view",
    "session.dataset(dataset).access()": "`sealift access --json`",
    "session.dataset(dataset).upgrade_policy()": "`sealift policy upgrade DATASET`",
    "session.dataset(dataset).widen(column, type)": "`sealift schema widen DATASET COLUMN TYPE`",
    "session.trust(name, fingerprint)": "`sealift trust add NAME FINGERPRINT`",
    "source": "--source",
    "subject": "--subject",
    "subject_column": "--subject-column",
    "suites=[WrapSuite.P256]": "--suite p-256",
    "table": "--table",
    "thousands": "--thousands",
    "tls_key_in_keystore": "--tls-key-in-keystore",
    "types": "--types NAME=TYPE",
    "whole": "--whole",
    "write_parquet": "--as parquet",
    "whole=True": "--whole",
}
"""Parameters and calls that hints name, each with its option or command."""

_QUOTED = r"`([^`]+)`"


def hint_of(error: SealiftError) -> str:
    """Return an error's hint for the terminal."""
    return in_options(error.hint)


def in_options(text: str) -> str:
    """Replace the API parameters that a text names by options of the command line."""
    return re.sub(_QUOTED, lambda quoted: WORDS.get(quoted[1], quoted[0]), text)
