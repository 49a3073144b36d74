#!/usr/bin/env python3
"""What validation costs: resources and MB a second, memory, start, its share of ingest.

  validate.py BUILD [--seconds N] [--share]      data: TARN_DATA, else ../shared/data

Speeds are of one core's CPU time, each file checked as a strict write is. --share counts
instructions with valgrind (which takes a minute): those of validation among all that the
server executes while it takes transactions, once with all that is not done per request
(compression, merges) and once without.
"""
import argparse
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

GUIDES = ("us-core-3.1.1", "us-core-4.0.0", "us-core-6.1.0", "us-core-7.0.0", "carin-bb-1.1.0",
          "carin-bb-2.0.0", "davinci-pdex-2.2.0")
MEMBERS = 4  # the smallest of the Synthea members, for the share


def unpack(path, folder):
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["tar", "--zstd", "-xf", path, "-C", folder], check=True)
    return sorted(glob.glob(os.path.join(folder, "**/*.json"), recursive=True))


def split(bundles, folder):
    """One file for each resource."""
    os.makedirs(folder)
    paths = []
    for path in bundles:
        for entry in json.load(open(path, encoding="utf-8"))["entry"]:
            paths.append(os.path.join(folder, f"{len(paths)}.json"))
            with open(paths[-1], "w", encoding="utf-8") as f:
                json.dump(entry["resource"], f)
    return paths


def speeds(build, seconds, packages, sets):
    for name, folder, files in sets:
        command = [f"{build}/bench/validate", folder or "-", str(seconds)] + files
        print(f"{name}: {subprocess.run(command, capture_output=True, text=True).stdout.strip()}", flush=True)


def serve(command, data, extra=()):
    server = subprocess.Popen(list(command) + ["serve", "--no-auth", "--data", data, "--listen", "127.0.0.1:0",
                                               *extra], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in server.stdout:
        if line.startswith("data store"):
            return server, line.split()[3].rstrip("/")
    sys.exit("the server did not start")


def post(url, body):
    request = urllib.request.Request(url, body.encode(), {"content-type": "application/fhir+json"})
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) / 1e3


def transaction(resources):
    entries = [{"fullUrl": f"urn:uuid:{i}", "resource": r, "request": {"method": "POST", "url": r["resourceType"]}}
               for i, r in enumerate(resources)]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def starts(build, work, with_guides, examples):
    """Milliseconds to the first answer, and memory before and after checks."""
    for name, data in (("no guides", os.path.join(work, "empty")), ("seven guides", with_guides)):
        times = []
        for _ in range(6):
            begin = time.monotonic()
            server, url = serve([f"{build}/tarn"], data)
            urllib.request.urlopen(url + "/metadata").read()
            times.append((time.monotonic() - begin) * 1000)
            before = resident(server.pid)
            post(url, transaction(examples))
            after = resident(server.pid)
            server.send_signal(signal.SIGTERM)
            server.wait()
        print(f"start with {name}: {sorted(times)[0]:.0f} ms at best, {sorted(times)[3]:.0f} ms median to the "
              f"first answer; {before:.1f} MB, {after:.1f} MB after a transaction of the guides' examples", flush=True)


def inclusive(path, name):
    text = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--auto=no", path], capture_output=True,
                          text=True).stdout
    row = re.search(rf"^\s*([\d,]+) \(.*:{name} ", text, re.M)
    return int(row[1].replace(",", "")) if row else 0


def share(build, work, name, data, bodies):
    out = os.path.join(work, "calls")
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"{build}/tarn"]
    server, url = serve(valgrind, data, ["--threads", "2"])
    post(url, bodies[0])  # rules and value sets are compiled when first met
    subprocess.run(["callgrind_control", "-z", str(server.pid)], capture_output=True)
    for body in bodies:
        post(url, body)
    subprocess.run(["callgrind_control", "-d", str(server.pid)], capture_output=True)
    server.send_signal(signal.SIGTERM)
    server.wait()
    path = out + ".1"
    total = inclusive(path, "rest_handle_gated")
    everything = int(re.search(r"^(?:totals|summary): (\d+)", open(path).read(), re.M)[1])
    checks = inclusive(path, "validity_check")
    print(f"share of {name}: {100 * checks / total:.1f} % of a request's instructions, "
          f"{100 * checks / everything:.1f} % of all of the server's", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--share", action="store_true")
    asked = parser.parse_args()
    source = os.environ.get("TARN_DATA", "../shared/data")
    with tempfile.TemporaryDirectory() as work:
        data = os.path.join(work, "data")
        archives = [os.path.join(source, f"ig/{g}.tar.zst") for g in GUIDES]
        subprocess.run([f"{asked.build}/tarn", "package", "add", "--data", data, *archives], check=True,
                       stdout=subprocess.DEVNULL)
        packages = os.path.join(data, "packages")
        bundles = unpack(os.path.join(source, "patients/synthea-2019-20.tar.zst"), os.path.join(work, "synthea"))
        bundles.sort(key=os.path.getsize)
        synthea = split(bundles[:MEMBERS], os.path.join(work, "resources"))
        guides = {g: unpack(os.path.join(source, f"ig/{g}-examples.tar.zst"), os.path.join(work, g)) for g in GUIDES}
        speeds(asked.build, asked.seconds, packages,
               [("Synthea, R4 alone", None, synthea), ("Synthea, seven guides", packages, synthea)] +
               [(g, packages, guides[g]) for g in ("us-core-3.1.1", "us-core-7.0.0", "carin-bb-1.1.0",
                                                   "carin-bb-2.0.0")])
        carin = [json.load(open(p, encoding="utf-8")) for p in guides["carin-bb-1.1.0"]]
        starts(asked.build, work, data, carin)
        if asked.share:
            share(asked.build, work, "Synthea ingest, no profile named", os.path.join(work, "s"),
                  [open(p, encoding="utf-8").read() for p in bundles[:MEMBERS]])
            share(asked.build, work, "CARIN BB 1.1.0 examples, twelve times", data, [transaction(carin)] * 12)


main()
