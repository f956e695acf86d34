"""Where and with what a measurement was made, so that its figures mean something to somebody else."""

import os
import platform
import shutil
import subprocess

from tools.load.core import ROOT


def describe(directory, pythons):
    """-> {name: value}: commit, machine, the disk under `directory`, interpreters {name: path}."""
    facts = {
        "commit": commit(),
        "processor": _line_of("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory_mib": int((_line_of("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) // 1024,
        "kernel": "%s %s %s" % (platform.system(), platform.release(), platform.machine()),
        "disk": _disk(directory),
        "pinned": shutil.which("taskset") is not None,
        "load_at_start": round(os.getloadavg()[0], 2),
    }
    for name, path in pythons.items():
        facts[name] = version_of(path)
    return facts


def commit():
    """-> the short commit of the checkout, with "-dirty" where a tracked file of the product was changed since."""
    found = _output("git", "-C", ROOT, "rev-parse", "--short=10", "HEAD") or "unknown"
    changed = _output("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no", "engine", "protocol", "tools")
    return found + ("-dirty" if changed else "")


def version_of(python):
    """-> "PyPy 7.3.11 (Python 3.9.16)" or "CPython 3.11.7"."""
    code = (
        "import platform as p, sys; v = getattr(sys, 'pypy_version_info', None);"
        "print('PyPy %d.%d.%d (Python %s)' % (*v[:3], p.python_version()) if v else 'CPython ' + p.python_version())"
    )
    return _output(python, "-c", code) or "not found: %s" % python


def pin_self(cpu):
    """Keep this process on one processor, where taskset is there."""
    if cpu is not None and shutil.which("taskset"):
        subprocess.run(["taskset", "-cp", str(cpu), str(os.getpid())], stdout=subprocess.DEVNULL, check=True)


def _disk(directory):
    """-> what is mounted where `directory` lies: device, file system, and the device's name for itself."""
    found = _output("df", "--output=source,fstype", directory).splitlines()[-1:]
    if not found:
        return "unknown"
    source, _, kind = found[0].partition(" ")
    device = os.path.basename(source)
    model = _first_line("/sys/block/%s/device/model" % device)
    return " ".join(part for part in (source, kind.strip(), model) if part)


def _line_of(path, name):
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(name):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def _first_line(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _output(*command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    except OSError:
        return ""
