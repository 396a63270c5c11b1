"""A FHIR server's $export: kicked off, waited for, downloaded into a private folder.

https://hl7.org/fhir/uv/bulkdata/export.html (Bulk Data Access IG): kick-off, status, files,
deletion. No redirect is followed; a token goes to the server alone, and to no other host.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import re
import tempfile
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

from sealift.owner.sources.fhir_manifest import (
    MAX_MANIFEST,
    Manifest,
    Output,
    of_type,
    read_manifest,
)
from sealift.process.log import log
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument, SourceError

SCHEME = "fhir+bulk+"
TOKEN_VARIABLE = "SEALIFT_FHIR_TOKEN"  # noqa: S105  (the name of a variable)
_TIMEOUT = 60
_STEP = 1 << 20
_FIRST_WAIT, _MAX_WAIT = 1.0, 300.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_CODE = re.compile(r"[a-z][a-z-]{1,40}")
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
_BUSY = (429, 503)

AskToken = Callable[[bool], Secret | None]
"""Returns the access token; with True, after the server refused to go on without one."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, for waiting.

    Attributes:
        now: seconds since 1970.
        sleep: waits for some seconds.
        patience: the longest that an export may take, in seconds.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    patience: float = 24 * 3600


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(slots=True, weakref_slot=True)
class Downloaded:
    """An export that was downloaded.

    The folder is removed when nothing refers to this object any more, or the process ends.

    Attributes:
        root: the folder, which only this user can read.
        paths: the files.
        told: how many files have no records, by the reason.
    """

    root: Path
    paths: list[Path] = field(repr=False)
    told: Counter[str]


def is_export(text: str) -> bool:
    """Return whether a source is a server's export."""
    return text.startswith((f"{SCHEME}https://", f"{SCHEME}http://"))


def download_export(
    text: str, resource: str, ask: AskToken, clock: Clock | None = None
) -> Downloaded:
    """Export resources from a server into a private temporary folder.

    Args:
        text: `fhir+bulk+` and the URL of the kick-off, with its parameters.
        resource: type of the resources to download; empty for all. It is added as `_type`.
        ask: returns the access token.
        clock: for waiting.

    Raises:
        SourceError: the server refuses, fails, or its answer is not as the specification says.
        InvalidArgument: the URL cannot be used, or the export has no such resources.
    """
    client = _Client(_checked(text.removeprefix(SCHEME)), ask, clock or Clock())
    status = client.kick_off(resource)
    with ExitStack() as stack:
        stack.callback(client.delete, status)
        manifest = client.wait(status)
        wanted = of_type(manifest, resource)
        undone = stack.enter_context(ExitStack())
        folder = tempfile.TemporaryDirectory(prefix="sealift-export-")
        undone.callback(folder.cleanup)
        paths = [
            client.download(one, Path(folder.name) / f"{n}.{one.type}.ndjson", manifest)
            for n, one in enumerate(wanted, start=1)
        ]
        undone.pop_all()
    found = Downloaded(Path(folder.name), paths, manifest.told())
    weakref.finalize(found, folder.cleanup)
    return found


def _checked(url: str) -> str:
    parts = _split(url)
    if parts is None:
        raise InvalidArgument(
            "the URL of the export has no host, or holds a password",
            hint="give it as fhir+bulk+https://HOST/PATH/$export, and a token in "
            f"{TOKEN_VARIABLE}",
        )
    if not _is_private(parts):
        raise InvalidArgument(
            "records and a token are not sent over http",
            hint="use https; http is for a server on this machine",
        )
    return url


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    printable = url.isascii() and url.isprintable() and " " not in url
    return parts if usable and printable and "@" not in parts.netloc else None


def _is_private(parts: SplitResult) -> bool:
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in _LOOPBACK
    )


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return (
        parts.scheme,
        parts.hostname,
        parts.port or (443 if parts.scheme == "https" else 80),
    )


class _Client:
    """Speaks with the server of one export."""

    def __init__(self, url: str, ask: AskToken, clock: Clock) -> None:
        self._url = url
        self._home = _origin(urlsplit(url))
        self._ask = ask
        self._token = _usable(ask(False))
        self._clock = clock
        self._deadline = clock.now() + clock.patience

    def kick_off(self, resource: str) -> str:
        """Start the export; returns the URL of its status."""
        url = self._url
        if resource and "_type=" not in urlsplit(url).query:
            url += f"{'&' if '?' in url else '?'}_type={resource}"
        headers = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
        answer = self._patient("GET", url, headers)
        if answer.status in (401, 403) and self._token is None:
            self._token = _usable(self._ask(True))
            if self._token is not None:
                answer = self._patient("GET", url, headers)
        place = answer.headers.get("content-location", "")
        if answer.status != 202 or not place:
            raise _refused("did not accept the export", answer)
        status = urljoin(url, place)
        parts = _split(status)
        if parts is None or _origin(parts) != self._home:
            raise SourceError(
                "the server names a place of another host for the export's status",
                hint="name the server by the host that it gives itself",
            )
        return status

    def wait(self, status: str) -> Manifest:
        """Wait until the export is complete."""
        wait = _FIRST_WAIT
        while True:
            answer = self._patient("GET", status, {"Accept": "application/json"})
            if answer.status == 200:
                self._note_expiry(answer)
                return read_manifest(answer.body)
            if answer.status != 202:
                raise _refused("gave up the export", answer)
            wait = self._pause(answer, wait)

    def _note_expiry(self, answer: _Answer) -> None:
        """Let no file be asked for after the export has expired."""
        expires = _moment(answer.headers.get("expires", ""))
        # Servers that say an hour of the past mean that the answer is not to be cached.
        if expires is not None and expires > self._clock.now():
            self._deadline = min(self._deadline, expires)

    def download(self, output: Output, path: Path, manifest: Manifest) -> Path:
        """Download a file."""
        url = urljoin(self._url, output.url)
        parts = _split(url)
        if parts is None or not _is_private(parts):
            raise SourceError("the manifest names a file that is not at an https URL")
        own = _origin(parts) == self._home
        if manifest.requires_access_token and not own:
            raise SourceError(
                "a file of the export is on another host, and asks for the token",
                hint="the token is for the server alone: download the export with the server's "
                "own client, and push the folder (fhir+bulk://FOLDER)",
            )
        wait = _FIRST_WAIT
        while True:
            with self._request(
                "GET",
                url,
                {"Accept": "application/fhir+ndjson"},
                with_token=own and manifest.requires_access_token,
            ) as response:
                headers = _headers(response)
                if response.status == 200:
                    lines = _save(response, headers, path)
                    break
                answer = _Answer(response.status, headers, response.read(_STEP))
            if answer.status in (404, 410):
                raise SourceError(
                    "a file of the export is not there any more: the export has expired",
                    hint="push again, which begins a new export",
                )
            if answer.status not in _BUSY:
                raise _refused("refused a file of the export", answer)
            wait = self._pause(answer, wait)
        if output.count is not None and output.count != lines:
            raise SourceError(
                f"a file of the export has {lines} resources, and {output.count} in its manifest",
                hint="push again, which begins a new export",
            )
        return path

    def delete(self, status: str) -> None:
        """Ask the server to remove the export's files, or to stop it."""
        try:
            with self._request("DELETE", status, {}) as response:
                response.read(_STEP)
        except SourceError:
            # The files expire there in any case; what was downloaded is complete or told.
            log.info("export_not_deleted")

    # --- HTTP ------------------------------------------------------------------------------------

    def _patient(self, method: str, url: str, headers: Mapping[str, str]) -> _Answer:
        """Return an answer; a server that is busy is asked again."""
        wait = _FIRST_WAIT
        while True:
            with self._request(method, url, headers) as response:
                found = _headers(response)
                body = response.read(MAX_MANIFEST + 1)
            answer = _Answer(response.status, found, body)
            if answer.status not in _BUSY:
                return answer
            wait = self._pause(answer, wait)

    def _pause(self, answer: _Answer, wait: float) -> float:
        """Wait as long as the server asks, or `wait` seconds; returns the next such wait."""
        self._sleep(_retry_after(answer, self._clock.now()) or wait)
        return min(wait * 2, _MAX_WAIT)

    def _sleep(self, seconds: float) -> None:
        seconds = min(max(seconds, _FIRST_WAIT), _MAX_WAIT)
        if self._clock.now() + seconds > self._deadline:
            raise SourceError(
                "the export was not complete in time, or has expired",
                hint="ask the server for less, with _type or _since in the URL",
            )
        self._clock.sleep(seconds)

    @contextmanager
    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        with_token: bool = True,
    ) -> Iterator[http.client.HTTPResponse]:
        parts = urlsplit(url)
        secured = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secured else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT)
        sent = {"Accept-Encoding": "identity", **headers}
        if with_token and self._token is not None:
            sent["Authorization"] = f"Bearer {self._token.reveal().decode('ascii')}"
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        try:
            connection.request(method, path, headers=sent)
            yield connection.getresponse()
        except (OSError, http.client.HTTPException, UnicodeError):
            raise SourceError(
                "the FHIR server cannot be reached, or broke off",
                hint="check the URL, the network and the server's certificate, and push again",
            ) from None
        finally:
            connection.close()


def _usable(token: Secret | None) -> Secret | None:
    """Return a token without white space around it, which files and prompts add.

    Raises:
        InvalidArgument: it cannot be one (RFC 6750 2.1).
    """
    if token is None or not token.reveal().strip():
        return None
    text = token.reveal().strip()
    if not _TOKEN.fullmatch(text):
        raise InvalidArgument("the access token has characters that no token has")
    return Secret(text)


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _save(
    response: http.client.HTTPResponse, headers: Mapping[str, str], path: Path
) -> int:
    """Write a file; returns the number of lines that are not blank."""
    if headers.get("content-encoding", "identity") != "identity":
        raise SourceError("the server sent a compressed file, which was not asked for")
    lines, size, blank = 0, 0, True
    with path.open("xb") as file:
        while content := response.read(_STEP):
            try:
                file.write(content)
            except OSError:
                raise SourceError(
                    "the temporary folder has no room for the export",
                    hint="name a folder on a larger disk in TMPDIR",
                ) from None
            size += len(content)
            pieces = content.split(b"\n")
            for piece in pieces[:-1]:
                lines += not (blank and not piece.strip())
                blank = True
            blank = blank and not pieces[-1].strip()
    lines += not blank
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) != size:
        raise SourceError(
            "a file of the export ends too early", hint="push again for a new export"
        )
    return lines


def _retry_after(answer: _Answer, now: float) -> float | None:
    """Return how long the server asks to wait, in seconds or until a date (RFC 9110 10.2.3)."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    moment = _moment(text)
    return None if moment is None else max(moment - now, 0.0)


def _moment(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _refused(what: str, answer: _Answer) -> SourceError:
    """Return the error for an answer; of an OperationOutcome only codes are shown."""
    codes: list[str] = []
    try:
        issues = json.loads(answer.body).get("issue", [])
        codes = [str(one.get("code", "")) for one in issues][:5]
    except (ValueError, AttributeError, TypeError, RecursionError):
        pass
    said = ", ".join(sorted({code for code in codes if _CODE.fullmatch(code)}))
    hint = (
        f"give a token of the server in {TOKEN_VARIABLE}"
        if answer.status in (401, 403)
        else "read the server's log; the URL has to be that of an $export"
    )
    return SourceError(
        f"the FHIR server {what}: status {answer.status}"
        + (f" ({said})" if said else ""),
        hint=hint,
    )
