# SPDX-License-Identifier: Apache-2.0
"""What a report says of the machine it was made on: [(what, found)]."""
import os
import platform
import re
import subprocess

CPU = "/sys/devices/system/cpu"


def read(path, fallback="unknown"):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return fallback


def said(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def mitigations():
    folder = f"{CPU}/vulnerabilities"
    found = {name: read(f"{folder}/{name}") for name in sorted(os.listdir(folder))} if os.path.isdir(folder) else {}
    active = [f"{name}: {text}" for name, text in found.items() if not text.startswith("Not affected")]
    return "; ".join(active) or "none"


def governors():
    found = {read(f"{CPU}/cpu{cpu}/cpufreq/scaling_governor", "none to be seen") for cpu in os.sched_getaffinity(0)}
    return ", ".join(sorted(found))


# Of the kernel's command line, what has to do with speed.
KERNEL_OPTIONS = re.compile(r"^(mitigations|isolcpus|nohz|nohz_full|rcu_nocbs|idle|intel_idle|processor|tsc|clocksource|"
                            r"transparent_hugepage|hugepages|default_hugepagesz|preempt|cpuidle|haltpoll)\b")


def kernel_options():
    return " ".join(word for word in read("/proc/cmdline", "").split() if KERNEL_OPTIONS.match(word)) or "none of interest"


def compiler_flags(build):
    """What the release objects are compiled with, as make itself says it."""
    said_by_make = said(["make", "-n", "-B", "DEPS=skip", "V=1", f"B={os.path.dirname(build) or '.'}", f"{build}/ringbuf/writer.o"])
    line = next((line for line in said_by_make.splitlines() if "writer.c" in line and " -c " in line), "unknown")
    return re.sub(r"\s+", " ", line).strip()


def describe(build):
    cpuinfo = read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.M)
    cores = sorted(os.sched_getaffinity(0))
    cache = "; ".join(
        f"L{read(f'{CPU}/cpu{cores[0]}/cache/index{i}/level')} {read(f'{CPU}/cpu{cores[0]}/cache/index{i}/type')} "
        f"{read(f'{CPU}/cpu{cores[0]}/cache/index{i}/size')} of cores {read(f'{CPU}/cpu{cores[0]}/cache/index{i}/shared_cpu_list')}"
        for i in range(5) if os.path.isdir(f"{CPU}/cpu{cores[0]}/cache/index{i}"))
    return [
        ("commit", said(["git", "describe", "--always", "--dirty", "--abbrev=12"])),
        ("CPU", model.group(1) if model else platform.machine()),
        ("cores allowed", ", ".join(map(str, cores))),
        ("caches", cache),
        ("virtual machine", "yes" if " hypervisor" in cpuinfo else "no"),
        ("memory", next((line.split(":")[1].strip() for line in read("/proc/meminfo").splitlines()
                         if line.startswith("MemTotal")), "unknown")),
        ("kernel", f"{platform.release()} {platform.version()}"),
        ("kernel options", kernel_options()),
        ("clock source", read("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        ("governor", governors()),
        ("isolated cores", read(f"{CPU}/isolated") or "none"),
        ("huge pages, shared memory", read("/sys/kernel/mm/transparent_hugepage/shmem_enabled")),
        ("mitigations", mitigations()),
        ("load before", read("/proc/loadavg")),
        ("compiler", said([os.environ.get("CC", "cc").split()[-1], "--version"]).splitlines()[0]),
        ("compiled with", compiler_flags(build)),
    ]
