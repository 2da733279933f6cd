"""``meteorograph systemd``: a unit for systemd, printed or installed."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ..errors import ConfigurationError
from .groups import Group

if TYPE_CHECKING:
    from ..config.settings import Settings

_NAME: Final = "meteorograph.service"

_UNIT: Final = """\
[Unit]
Description=Meteorograph: the weather of many places, collected into a database
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={command} serve
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory={folder}
Restart=always
RestartSec=5
WatchdogSec=120
TimeoutStopSec=20
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
{more}
[Install]
WantedBy={target}
"""

#: Needs rights that a user's own systemd does not have.
_HARDENING: Final = """\
User={user}
CapabilityBoundingSet=
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
ReadWritePaths={writable}
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
SystemCallFilter=@system-service
"""

_user_option = click.option("--user", "is_user", is_flag=True, help="For your own user, without root.")
_run_as_option = click.option("--run-as", metavar="USER", help="User of the service [the one who calls, also with sudo].")


@click.group("systemd", cls=Group)
def systemd() -> None:
    """Print or install a unit that runs the service from this folder, with the settings of its .env."""


@systemd.command()
@_user_option
@_run_as_option
def show(is_user: bool, run_as: str | None) -> None:
    """Print the unit."""
    click.echo(_unit(is_user, run_as), nl=False)


@systemd.command()
@_user_option
@_run_as_option
def install(is_user: bool, run_as: str | None) -> None:
    """Write the unit to where systemd looks for it; an existing one is replaced."""
    configured = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    folder = Path(configured).expanduser() / "systemd/user" if is_user else Path("/etc/systemd/system")
    text = _unit(is_user, run_as)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _NAME).write_text(text)
    except PermissionError:
        raise ConfigurationError(f"{folder} cannot be written: use sudo, or --user for a service of your own") from None
    control = "systemctl --user" if is_user else "systemctl"
    click.echo(f"wrote {folder / _NAME}")
    click.echo(f"start it now and at each start of the machine: {control} daemon-reload && {control} enable --now meteorograph")
    if is_user:
        click.echo(f"let it run while you are not logged in: loginctl enable-linger {getpass.getuser()}")


def _unit(is_user: bool, run_as: str | None) -> str:
    from ..config.loading import load_settings

    command = Path(sys.argv[0]).absolute()
    program = str(command) if command.name == "meteorograph" else f"{sys.executable} -m meteorograph"
    if is_user and run_as:
        raise click.UsageError("--run-as: is for a service of the machine, without --user")
    more = ""
    if not is_user:
        user = run_as or os.environ.get("SUDO_USER") or getpass.getuser()
        writable = " ".join(_quoted(path) for path in _written_folders(load_settings()))
        more = _HARDENING.format(user=user, writable=writable)
    quoted = _quoted(command) if program == str(command) else program
    target = "default.target" if is_user else "multi-user.target"
    return _UNIT.format(command=quoted, folder=str(Path.cwd()).replace("%", "%%"), more=more, target=target)


def _written_folders(settings: Settings) -> list[Path]:
    """The folders that the service writes to. One that does not exist yet is made, because systemd needs it."""
    from ..private_files import make_private_folder
    from ..storage.engine import database_url

    url = database_url()
    folders = [settings.journal_dir]
    if url.get_backend_name() == "sqlite" and url.database:
        folders.append(Path(url.database).parent)
    folders += [settings.backup_dir] if settings.backup_dir else []
    folders += [settings.log_file.parent] if settings.log_file else []
    absolute = sorted({folder.absolute() for folder in folders})
    for folder in absolute:
        make_private_folder(folder)
    return absolute


def _quoted(path: Path) -> str:
    """A path as systemd reads it."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'
