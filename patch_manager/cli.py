"""The command line (DESIGN §6). Every command has help, and on failure prints one line and exits non-zero."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from patch_manager import __version__
from patch_manager.config import ConfigError, load_settings

Command = Callable[[argparse.Namespace], int]

FAILED = 1
UNVERIFIABLE = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit status."""
    parsed = _parser().parse_args(arguments)
    command: Command = parsed.command
    try:
        return command(parsed)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseExceptionGroup as group:
        return _failed(_first_cause(group))
    except Exception as error:
        return _failed(error)


def _failed(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if not _is_expected(error):
        raise error
    print(f"patch-manager: {_one_line(error)}", file=sys.stderr)
    return FAILED


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _first_cause(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def _is_expected(error: BaseException) -> bool:
    """Errors whose text tells a person what to do; anything else is a bug and keeps its traceback."""
    if isinstance(error, ConfigError | OSError):
        return True  # told without importing the whole program
    from patch_manager.auth.accounts import AccountError
    from patch_manager.pki.files import FileModeError
    from patch_manager.pki.model import AuthorityError, CertificateRefused
    from patch_manager.pki.vault import VaultError
    from patch_manager.storage.errors import StorageError
    from patch_manager.supervisor.leading import AnotherManagerLeads

    expected = (StorageError, AccountError, AuthorityError, CertificateRefused, FileModeError, VaultError)
    return isinstance(error, (*expected, AnotherManagerLeads))


def _serve(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments.config)
    from patch_manager.serve import run_server

    return run_server(settings)


def _demo(arguments: argparse.Namespace) -> int:
    from patch_manager.demo import run_demo

    return run_demo(
        hosts=arguments.hosts, directory=arguments.data_dir, bind=arguments.bind, agent_port=arguments.agent_port
    )


def _admin_create(arguments: argparse.Namespace) -> int:
    from patch_manager.commands import create_admin

    try:
        password = arguments.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"cannot read the password file {arguments.password_file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the password file {arguments.password_file} is not UTF-8 text") from error
    uri = create_admin(
        load_settings(arguments.config), arguments.username, password, arguments.role, arguments.totp_secret
    )
    print(json.dumps({"username": arguments.username, "role": arguments.role, "otpauth_uri": uri}))
    return 0


def _pki_issue(arguments: argparse.Namespace) -> int:
    from patch_manager.commands import issue_bundle

    issued = issue_bundle(load_settings(arguments.config), arguments.host, arguments.fqdn, arguments.out)
    print(
        json.dumps(
            {
                "host": arguments.host,
                "serial": issued.serial,
                "not_after": issued.not_after.isoformat(),
                "directory": str(arguments.out),
            }
        )
    )
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    from patch_manager.commands import migrate_schema

    report = migrate_schema(load_settings(arguments.config))
    print(json.dumps({"schema_before": report.before, "schema_after": report.after}))
    return 0


def _audit_verify(arguments: argparse.Namespace) -> int:
    from patch_manager.commands import verify_audit

    try:
        status, text = verify_audit(load_settings(arguments.config))
    except Exception as error:
        # Whoever acts on the exit status must not take a database that is down for a log that was tampered with.
        cause = _first_cause(error)
        if not _is_expected(cause):
            raise
        print(f"patch-manager: cannot verify: {_one_line(cause)}", file=sys.stderr)
        return UNVERIFIABLE
    print(text)
    return status


def _openapi(arguments: argparse.Namespace) -> int:
    from patch_manager.commands import openapi_document

    text = openapi_document()
    if arguments.out is None:
        sys.stdout.write(text)
    else:
        arguments.out.write_text(text, encoding="utf-8")
    return 0


def _simulate(arguments: argparse.Namespace) -> int:
    from patch_manager.foundation import Keys, pki_directory, vault_key
    from patch_manager.simulator.command import run_simulator

    data_dir = load_settings(arguments.config).server.data_dir
    Keys.open(data_dir)
    run_simulator(
        pki_directory(data_dir),
        vault_key(data_dir),
        count=arguments.hosts,
        base=arguments.base,
        port=arguments.port,
        seed=arguments.seed,
        quiet=arguments.quiet,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="patch-manager", description="Keeps a fleet of Linux hosts patched.")
    parser.add_argument("--version", action="version", version=f"patch-manager {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, summary: str, *, within: argparse._SubParsersAction[argparse.ArgumentParser]
            = commands, config: bool = True) -> argparse.ArgumentParser:  # fmt: skip
        sub = within.add_parser(name, help=summary, description=summary)
        sub.set_defaults(command=command)
        if config:
            sub.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); default: built-in values")
        return sub

    def group(name: str, summary: str) -> argparse._SubParsersAction[argparse.ArgumentParser]:
        sub = commands.add_parser(name, help=summary, description=summary)
        return sub.add_subparsers(required=True, metavar="COMMAND")

    add("serve", _serve, "Run the manager until SIGTERM or Ctrl-C.")

    demo = add("demo", _demo, "Run the manager with a simulated fleet and a ready sign-in.", config=False)
    demo.add_argument("--hosts", type=int, default=200, metavar="N", help="simulated hosts; default 200")
    demo.add_argument("--data-dir", type=Path, default=Path(".demo"), help="where the demo keeps its data")
    demo.add_argument("--bind", default="127.0.0.1:8443", metavar="ADDRESS:PORT", help="default 127.0.0.1:8443")
    demo.add_argument("--agent-port", type=int, default=12443, metavar="PORT", help="simulated agents'; default 12443")

    admin = group("admin", "Accounts, from the manager's own machine.")
    create = add("create", _admin_create, "Create a user who can sign in at once.", within=admin)
    create.add_argument("--username", required=True, metavar="U")
    create.add_argument("--password-file", required=True, type=Path, metavar="F", help="file with the password")
    create.add_argument("--totp-secret", metavar="S", help="base32; default: a new one")
    create.add_argument("--role", choices=("admin", "operator"), default="admin")

    pki = group("pki", "The internal certificate authority.")
    issue = add("issue", _pki_issue, "Issue an agent's certificate: ca.pem, server.pem, server.key.pem, crl.pem.",
                within=pki)  # fmt: skip
    issue.add_argument("--host", required=True, metavar="ADDRESS", help="the IP address the manager dials")
    issue.add_argument("--fqdn", metavar="NAME", help="the host's name, as a second subject alternative name")
    issue.add_argument("--out", required=True, type=Path, metavar="DIR", help="made when missing")

    add("migrate", _migrate, "Bring the database's schema up to date (serve does it by itself).")

    audit = group("audit", "The audit log.")
    add("verify", _audit_verify, "Verify the chain: exit 0 good, 1 tampered (says where), 2 cannot verify.",
        within=audit)  # fmt: skip

    openapi = add("openapi", _openapi, "Print the API's description (OpenAPI 3.1).", config=False)
    openapi.add_argument("--out", type=Path, metavar="FILE", help="write there instead")

    simulate = add("simulate", _simulate, "Run simulated hosts with certificates of this manager's authority.")
    simulate.add_argument("--hosts", type=int, default=200, metavar="N")
    simulate.add_argument("--base", default="127.16.0.1", metavar="ADDRESS", help="the first host's address")
    simulate.add_argument("--port", type=int, default=12443)
    simulate.add_argument("--seed", type=int, default=1, help="same seed, same fleet")
    simulate.add_argument("--quiet", action="store_true", help="no failures and no slow hosts, for measurements")
    return parser
