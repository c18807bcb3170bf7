# SPDX-License-Identifier: Apache-2.0
"""Draws with gnuplot, each figure as SVG and as PNG: save(folder, name, script)."""
import glob
import os
import shutil
import subprocess

LATENCY = """
set logscale xy
set xlabel "percentile"
set ylabel "latency, us"
set xtics ("50" 2, "90" 10, "99" 100, "99.9" 1000, "99.99" 10000, "99.999" 100000)
set grid
set key left top
"""


def save(folder, name, script):
    os.makedirs(folder, exist_ok=True)
    for terminal, ending in (("svg size 900,560 background rgb 'white'", "svg"), ("pngcairo size 900,560", "png")):
        text = f"set terminal {terminal}\nset output '{folder}/{name}.{ending}'\n{script}\n"
        done = subprocess.run(["gnuplot"], input=text, text=True, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"gnuplot, {name}: {done.stderr.strip()}")


def plot_lines(lines):
    return "plot " + ", \\\n  ".join(lines)


def hgrm(path, title):
    # Value, percentile, count, 1/(1-percentile): the last row's is infinite and left out by the scale.
    return f"'{path}' using 4:1 with lines linewidth 2 title '{title}'"


def latencies(out):
    """One figure a rate: each hop's distribution."""
    names = []
    rates = sorted({int(os.path.basename(path).split("-")[0]) for path in glob.glob(f"{out}/hgrm/[0-9]*.hgrm")})
    for rate in rates:
        files = sorted(glob.glob(f"{out}/hgrm/{rate}-*.hgrm"))
        lines = [hgrm(path, os.path.basename(path).removesuffix(".hgrm").split("-")[-1].replace("_", " ")) for path in files]
        save(f"{out}/plots", f"trio-{rate}", LATENCY + f"set title 'trio, {rate:,} records/s, from the moment due'\n"
             + plot_lines(lines))
        names.append(f"trio-{rate}")
    return names


def hiccups(out):
    files = sorted(glob.glob(f"{out}/hgrm/idle-*/*.hgrm"))
    if not files:
        return []
    lines = [hgrm(path, f"{os.path.dirname(path).split('-')[-1]}, {os.path.basename(path).removesuffix('.hgrm')}")
             for path in files]
    save(f"{out}/plots", "hiccup", LATENCY + "set title 'an idle loop, before and after'\n" + plot_lines(lines))
    return ["hiccup"]


def way_of(run):
    return run["wait"] + (", placed" if run.get("placement") == "auto" else "")


def waits(out, found):
    runs = found.get("trio-compare", {}).get("runs", [])
    if not runs:
        return []
    hops = list(runs[0]["latency_ns"])
    hop = hops[-1]
    path = f"{out}/plots/waits.tsv"
    os.makedirs(f"{out}/plots", exist_ok=True)
    strategies = list(dict.fromkeys(way_of(run) for run in runs))
    with open(path, "w") as file:
        for rate in dict.fromkeys(run["rate"] for run in runs):
            of = {way_of(run): run["latency_ns"][hop]["p50"] / 1000 for run in runs if run["rate"] == rate}
            print(rate, *(of[wait] for wait in strategies), sep="\t", file=file)
    lines = [f"'{path}' using 1:{i + 2} with linespoints linewidth 2 title '{wait}'" for i, wait in enumerate(strategies)]
    save(f"{out}/plots", "waits", "set logscale xy\nset grid\nset xlabel 'records/s'\nset ylabel 'p50, us'\n"
         f"set title 'each way of waiting: {hop.replace('_', ' ')}'\n" + plot_lines(lines))
    return ["waits"]


def throughput(out, found):
    batches = found.get("hop", {}).get("batches", [])
    if not batches:
        return []
    path = f"{out}/plots/hop.tsv"
    os.makedirs(f"{out}/plots", exist_ok=True)
    copy = found["hop"].get("copy_bytes_per_second", 0)
    with open(path, "w") as file:
        for batch in batches:
            print(batch["record_bytes"], batch["bytes_per_second"] / 1e9, copy / 1e9, sep="\t", file=file)
    save(f"{out}/plots", "hop", "set logscale x 2\nset grid\nset xlabel 'record, bytes'\nset ylabel 'GB/s'\nset yrange [0:]\n"
         "set title 'batches from core to core'\n"
         + plot_lines([f"'{path}' using 1:2 with linespoints linewidth 2 title 'ring'",
                       f"'{path}' using 1:3 with lines dashtype 2 title 'plain copy'"]))
    return ["hop"]


def scaling(out, found):
    names = []
    for name, curve in found.get("scaling", {}).get("curves", {}).items():
        path = f"{out}/scaling/{name}.tsv"
        scale = "set logscale x 2\n" if name in ("record-bytes", "ring") else "set logscale x\n" if name == "symbols" else ""
        if "missed" in curve["points"][0]:
            save(f"{out}/plots", f"scaling-{name}", "set logscale y\nset grid\nset xlabel '" + curve["varies"]
                 + "'\nset ylabel 'due to handed to the kernel, us'\nset title 'how cost grows: producers at a rate'\n"
                 + plot_lines([f"'{path}' using 1:($2/1e3):($3/1e3):($4/1e3) with yerrorlines linewidth 2 title 'p50'",
                               f"'{path}' using 1:($5/1e3) with linespoints dashtype 2 title 'p99'"]))
            names.append(f"scaling-{name}")
            continue
        lines = [f"'{path}' using 1:($2/1e6):($3/1e6):($4/1e6) with yerrorlines linewidth 2 title 'M/s'"]
        if curve["points"][0]["bytes_per_second"]:
            lines.append(f"'{path}' using 1:($5/1e9) axes x1y2 with lines dashtype 2 title 'GB/s (right)'")
        save(f"{out}/plots", f"scaling-{name}", f"{scale}set grid\nset yrange [0:]\nset y2range [0:]\nset y2tics\n"
             f"set xlabel '{curve['varies']}'\nset ylabel 'records (messages)/s, millions'\nset title 'how cost grows: {name}'\n"
             + plot_lines(lines))
        names.append(f"scaling-{name}")
    return names


def draw(out, found):
    if not shutil.which("gnuplot"):
        raise RuntimeError("gnuplot is not here (Debian: gnuplot-nox)")
    return latencies(out) + waits(out, found) + throughput(out, found) + scaling(out, found) + hiccups(out)
