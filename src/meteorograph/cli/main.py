"""The command line. Exit codes: 0 done, 1 something was not collected or is not enough, 2 wrong usage or configuration."""

from __future__ import annotations

import sys

import click

from ..errors import LocationNotFoundError, MeteorographError
from ..version import __version__
from . import (
    alerts,
    archive,
    audit,
    backfill,
    backup,
    db,
    doctor,
    export,
    import_history,
    ingest,
    init,
    integrations,
    jobs,
    ledger,
    locations,
    plan,
    providers,
    reparse,
    serve,
    show,
    simulate,
    status,
    systemd,
    tasks,
    tokens,
)
from .groups import Group
from .output import complain, report_error
from .sessions import not_found_text


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="meteorograph", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Collect the weather of many places on a schedule into your own database.

    Settings come from the environment and .env; docs/settings.md lists them.
    """


for command in (
    init.init,
    serve.serve,
    serve.worker,
    ingest.ingest,
    show.show,
    status.status,
    doctor.doctor,
    locations.locations,
    export.export,
    import_history.import_history,
    jobs.jobs,
    ledger.runs,
    ledger.gaps,
    ledger.coverage,
    audit.audit,
    alerts.alerts,
    backfill.backfill,
    reparse.reparse,
    tasks.tasks,
    plan.plan,
    plan.check_keys,
    simulate.simulate,
    providers.providers,
    tokens.tokens,
    integrations.integrations,
    systemd.systemd,
    backup.backup,
    backup.restore,
    archive.archive,
    db.db,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; errors are one line on stderr."""
    code: object
    try:
        code = cli.main(prog_name="meteorograph", standalone_mode=False)
    except SystemExit as ended:
        code = ended.code
    except click.exceptions.Abort:
        code = 130
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = error.exit_code
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        complain(f"{error.format_message()} (see {context.command_path if context else 'meteorograph'} --help)")
        code = error.exit_code
    except LocationNotFoundError as error:
        report_error(error, not_found_text(error.name))
        code = 1
    except (MeteorographError, ValueError, OSError) as error:
        report_error(error, str(error))
        code = 2 if isinstance(error, ValueError) else 1
    except Exception as error:
        from ..storage.database_errors import error_text

        report_error(error, f"unexpected {type(error).__name__}: {error_text(error)} (meteorograph --debug shows where)")
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
