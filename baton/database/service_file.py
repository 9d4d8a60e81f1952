"""What `?service=` of an address stands for: a section of pg_service.conf, as libpq reads it.

Not read by asyncpg, which silently ignores a missing section and then tries the server on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from baton.errors import InvalidAddress


def service_settings(service: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a service by name, from the first file that has it.

    The files are that of PGSERVICEFILE, or ~/.pg_service.conf, and then the one in PGSYSCONFDIR.

    Raises:
        InvalidAddress: no file has this service, or a line in it cannot be read.
    """
    looked_in = []
    for path in _files(environment):
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            looked_in.append(f"{path} ({error.strerror if isinstance(error, OSError) else 'it is not UTF-8'})")
            continue
        looked_in.append(str(path))
        if (settings := _section(text, service, path)) is not None:
            return settings
    raise InvalidAddress(
        f"the service that it names is not in {' or '.join(looked_in)}; PGSERVICEFILE can name another file"
    )


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    if named := environment.get("PGSERVICEFILE"):
        yield Path(named)
    else:
        yield Path(environment.get("HOME") or "~").expanduser() / ".pg_service.conf"
    if folder := environment.get("PGSYSCONFDIR"):
        yield Path(folder) / "pg_service.conf"


def _section(text: str, service: str, path: Path) -> dict[str, str] | None:
    """Return the settings in the section of this name, or None if there is none."""
    settings: dict[str, str] | None = None
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if settings is not None:
                break
            settings = {} if line == f"[{service}]" else None
        elif settings is not None:
            key, found, value = line.partition("=")
            if not found or key.strip() in ("service", "servicefile"):
                raise InvalidAddress(f"line {number} of {path} is not a parameter of a connection, as in host=db")
            settings[key.strip()] = value.strip()
    return settings
