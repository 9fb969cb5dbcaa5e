"""Make a working environment from a clean checkout, with nothing but a Python and the package index.

Standard library only, and no syntax newer than Python 3.6 before the version was checked: the first
thing that a newcomer runs must explain itself, whatever Python answers to ``python3``.

    python3 scripts/setup.py                      the development environment, .venv, and Kafka's jars
    python3 scripts/setup.py --name quickfix      .venv-quickfix, on upstream quickfix (needs a compiler)
    python3 scripts/setup.py --name train         .venv-train, the training tools
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys

LOWEST = (3, 11)
HIGHEST = (3, 13)
LOWEST_GLIBC = (2, 28)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENVIRONMENTS = {
    # name: (folder, lock, brings Kafka's jars)
    "dev": (".venv", "dev.txt", True),
    "quickfix": (".venv-quickfix", "quickfix.txt", True),
    "train": (".venv-train", "train.txt", False),
}
KAFKA = os.path.join("service", "transport", "kafka_dist")
STAMP = ".slipstream-setup"
# Upstream quickfix has no wheels, and what tests need of it is not its speed: a compiler that tries less hard
# takes a third of the time. Nothing reads the setting; for it uv keeps this build apart from other projects'.
COMPILED = {"quickfix.txt": ({"CFLAGS": "-O1 -g0", "CXXFLAGS": "-O1 -g0"}, ["-C", "slipstream=tests"])}


def say(text):
    sys.stderr.write("setup: " + text + "\n")
    sys.stderr.flush()


def fail(text):
    say("error: " + text)
    sys.exit(1)


def in_range(version):
    return LOWEST <= tuple(version[:2]) <= HIGHEST


def another_python():
    """The first suitable interpreter on PATH, or None. A name may be there and not run (pyenv's shims)."""
    for minor in range(HIGHEST[1], LOWEST[1] - 1, -1):
        found = shutil.which("python3.%d" % minor)
        if found is None:
            continue
        probe = [found, "-c", "import sys; print('%d %d' % sys.version_info[:2])"]
        try:
            answer = subprocess.check_output(probe, stderr=subprocess.DEVNULL, universal_newlines=True)
            version = tuple(int(part) for part in answer.split())
        except (OSError, subprocess.CalledProcessError, ValueError):
            continue
        if in_range(version):
            return found
    return None


def require_python():
    """Go on in this interpreter, or hand over to a suitable one, or say what is missing."""
    if in_range(sys.version_info):
        return
    other = another_python()
    if other is None:
        fail(
            "Python %d.%d to %d.%d is needed; python3 here is %s and no python3.11, python3.12 or python3.13 "
            "that runs is on PATH. Install one of them, or run `make setup PYTHON=/path/to/python3.12`."
            % (LOWEST + HIGHEST + (platform.python_version(),))
        )
    say("python3 is %s; using %s instead" % (platform.python_version(), other))
    os.execv(other, [other] + sys.argv)


def require_platform():
    if not sys.platform.startswith("linux"):
        fail(
            "Linux is needed (the FIX engine's wheels and the process supervision are Linux's); this is "
            + sys.platform
        )
    if platform.machine() not in ("x86_64", "aarch64", "AMD64"):
        say(
            "warning: no wheels are known for "
            + platform.machine()
            + "; the installation may have to build them"
        )
    name, _, number = (
        (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ") if _has_glibc() else ("", "", "")
    )
    if name != "glibc":
        fail(
            "glibc %d.%d or newer is needed: quickfix-tls has no wheels for this C library (musl?)"
            % LOWEST_GLIBC
        )
    version = tuple(int(part) for part in number.split(".")[:2])
    if version < LOWEST_GLIBC:
        fail(
            "glibc %d.%d or newer is needed for the wheels of quickfix-tls; this system has %s. Use a newer "
            "distribution (Debian 10, Ubuntu 20.04, RHEL 8 or later) or the Docker image."
            % (LOWEST_GLIBC + (number,))
        )
    for module in ("venv", "ensurepip"):
        try:
            __import__(module)
        except ImportError:
            fail(
                "this Python (%s) has no `%s` module. On Debian and Ubuntu: apt install python%d.%d-venv"
                % ((sys.executable, module) + tuple(sys.version_info[:2]))
            )


def _has_glibc():
    return "CS_GNU_LIBC_VERSION" in os.confstr_names


def fingerprint(lock, with_kafka):
    """What the environment was made from: if none of it changed, there is nothing to do."""
    digest = hashlib.sha256(("%s %s %s" % (sys.version, ROOT, os.path.realpath(sys.executable))).encode())
    sources = [os.path.join("requirements", "bootstrap.txt"), os.path.join("requirements", lock)]
    sources += [os.path.join("scripts", "setup.py")]
    if with_kafka:
        sources += [os.path.join(KAFKA, "jgo.toml"), os.path.join(KAFKA, "jgo.lock.toml")]
    for source in sources:
        path = os.path.join(ROOT, source)
        if os.path.exists(path):
            with open(path, "rb") as file:
                digest.update(source.encode() + b"\0" + file.read() + b"\0")
    import tomllib

    # Of pyproject.toml only what is installed; the settings of a linter are no reason to install again.
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        document = tomllib.load(file)
    installed = {table: document.get(table) for table in ("build-system", "project")}
    digest.update(json.dumps(installed, sort_keys=True).encode())
    return digest.hexdigest()


def run(command, what, **options):
    try:
        subprocess.check_call(command, cwd=ROOT, **options)
    except subprocess.CalledProcessError as error:
        fail(
            "%s failed (exit %d): %s\nRun the same make target again to go on."
            % (what, error.returncode, " ".join(command))
        )


def install(folder, lock):
    """Everything in the lock, by hash, then our own packages in place, without touching the lock's choice."""
    python = os.path.join(folder, "bin", "python")
    locked = os.path.join("requirements", lock)
    bootstrap = os.path.join("requirements", "bootstrap.txt")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    fast = [os.path.join(folder, "bin", "uv"), "pip"]
    env = dict(os.environ, UV_PYTHON=os.path.join(ROOT, python), UV_NO_CONFIG="1")
    flags, settings = COMPILED.get(lock, ({}, []))
    try:
        subprocess.check_call(pip + ["install", "--require-hashes", "-r", bootstrap], cwd=ROOT)
        subprocess.check_call(
            fast + ["sync", "--quiet", "--require-hashes"] + settings + [locked, bootstrap],
            cwd=ROOT,
            env=dict(env, **flags),
        )
    except (subprocess.CalledProcessError, OSError):
        # uv does not read pip's configuration; where only pip knows the way to an index, pip does it alone.
        say("the fast installer did not succeed; installing with pip")
        if not os.path.exists(os.path.join(folder, "bin", "pip")):
            run([python, "-m", "ensurepip"], "bringing pip back")
        run(pip + ["install", "--require-hashes", "-r", locked], "installing " + locked)
    pip = [python, "-m", "pip"] if not os.path.exists(os.path.join(folder, "bin", "uv")) else fast
    run(
        pip + ["install", "--quiet", "--no-deps", "--no-build-isolation", "-e", "."],
        "installing slipstream itself",
        env=env,
    )


def sync_kafka(folder):
    """Kafka's jars, from its lock. Their hashes are compared again before every start of the process."""
    if not os.path.exists(os.path.join(ROOT, KAFKA, "jgo.lock.toml")):
        return
    jars = os.path.join("service", "transport", "kafka_jars.py")
    run([os.path.join(folder, "bin", "python"), "-I", jars, "sync"], "fetching Kafka's jars")


def setup(name):
    folder, lock, with_kafka = ENVIRONMENTS[name]
    where = os.path.join(ROOT, folder)
    stamp = os.path.join(where, STAMP)
    wanted = fingerprint(lock, with_kafka)
    if _stamped(stamp) == wanted and not _kafka_missing(with_kafka):
        return
    require_platform()
    import fcntl

    # Two makes at once: the second waits, then finds the work done.
    with open(os.path.join(ROOT, folder + ".lock"), "w") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another setup of %s is running; waiting for it" % folder)
            fcntl.flock(guard, fcntl.LOCK_EX)
        if _stamped(stamp) == wanted and not _kafka_missing(with_kafka):
            return
        if os.path.exists(stamp):
            os.unlink(stamp)
        if not _usable(where):
            say("making %s with Python %s" % (folder, platform.python_version()))
            shutil.rmtree(where, ignore_errors=True)
            run([sys.executable, "-m", "venv", folder], "making the environment")
        say("installing requirements/%s into %s" % (lock, folder))
        install(folder, lock)
        if with_kafka:
            sync_kafka(folder)
        with open(stamp + ".new", "w") as file:
            file.write(wanted)
        os.replace(stamp + ".new", stamp)
        say("%s is ready" % folder)


def _kafka_missing(with_kafka):
    return (
        with_kafka
        and not os.environ.get("SLIPSTREAM_KAFKA_JARS")
        and not os.path.isdir(os.path.join(ROOT, ".jgo"))
    )


def _stamped(stamp):
    try:
        with open(stamp) as file:
            return file.read()
    except (IOError, OSError):
        return None


def _usable(where):
    """Whether an environment, perhaps from an interrupted run, still runs and is of this Python."""
    python = os.path.join(where, "bin", "python")
    probe = "import sys, pip; print(sys.version + '|' + sys.prefix)"
    try:
        answer = subprocess.check_output(
            [python, "-c", probe], stderr=subprocess.DEVNULL, universal_newlines=True
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer.strip() == sys.version + "|" + where


if __name__ == "__main__":
    require_python()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", choices=sorted(ENVIRONMENTS), default="dev")
    setup(parser.parse_args().name)
