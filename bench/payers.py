#!/usr/bin/env python3
"""What of payers' data a strict store refuses, and why: the table of docs/validate.md.

  payers.py BUILD [--why N]      data: TARN_DATA, else ../shared/data

Each resource of a set (entries of searchsets and deliveries, resources of transactions) is
one entry of a batch, sent to a store without packages and to one with seven guides.
CMS's placeholder dates are replaced first. --why: so many of the commonest reasons.
"""
import argparse
import collections
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request

GUIDES = ("us-core-3.1.1", "us-core-4.0.0", "us-core-6.1.0", "us-core-7.0.0", "carin-bb-1.1.0",
          "carin-bb-2.0.0", "davinci-pdex-2.2.0")
SETS = (
    ("CMS Blue Button 2.0 (BFD v2)", "payer/cms-bfd-v2-r4.tar.zst"),
    ("CMS AB2D", "payer/cms-ab2d-r4.tar.zst"),
    ("CARIN reference server, C4BB", "payer/cpcds-c4bb-searchsets.tar.zst"),
    ("CARIN reference server, Synthea", "payer/cpcds-synthea.tar.zst"),
    ("Flexpa TEST mode", "payer/flexpa-test-mode-eob.json.zst"),
    ("Synthea 2019, 20 members", "patients/synthea-2019-20.tar.zst"),
    ("the Flexpa deliveries", "flexpa/*/*/*.zst"),
)
BATCH = 500


def texts(pattern, work):
    for path in sorted(glob.glob(pattern)):
        if path.endswith(".tar.zst"):
            folder = os.path.join(work, os.path.basename(path))
            os.makedirs(folder)
            subprocess.run(["tar", "--zstd", "-xf", path, "-C", folder], check=True)
            for name in sorted(glob.glob(folder + "/**/*.json", recursive=True)):
                yield open(name, encoding="utf-8-sig").read()
        else:
            yield subprocess.run(["zstd", "-dc", path], capture_output=True, text=True, check=True).stdout


def resources(pattern, work):
    seen = set()
    for text in texts(pattern, work):
        root = json.loads(text.replace('"IGNORED_FIELD"', '"2020-01-01T00:00:00Z"'))
        rows = [e["resource"] for e in root.get("entry", []) if "resource" in e]
        for r in rows if root["resourceType"] == "Bundle" else [root]:
            key = json.dumps(r, sort_keys=True)
            if key not in seen and r["resourceType"] not in ("OperationOutcome", "CapabilityStatement"):
                seen.add(key)
                yield r


def serve(build, data):
    server = subprocess.Popen([f"{build}/tarn", "serve", "--no-auth", "--data", data, "--listen", "127.0.0.1:0"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in server.stdout:
        if line.startswith("data store"):
            return server, line.split()[3].rstrip("/")
    sys.exit("the server did not start")


def refused(url, rows):
    """[(resource, texts of errors)]"""
    found = []
    for at in range(0, len(rows), BATCH):
        entries = [{"resource": r, "request": {"method": "POST", "url": r["resourceType"]}} for r in rows[at:at + BATCH]]
        body = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})
        request = urllib.request.Request(url, body.encode(), {"content-type": "application/fhir+json"})
        answer = json.load(urllib.request.urlopen(request))
        for r, e in zip(rows[at:at + BATCH], answer["entry"]):
            if not e["response"]["status"].startswith("2"):
                issues = e["response"].get("outcome", e.get("resource", {})).get("issue", [])
                found.append((r, [i.get("diagnostics", "") for i in issues if "failed FHIR validation" not in
                                  i.get("diagnostics", "")]))
    return found


def plain(text):
    text = re.sub(r"\[\d+\]", "[]", text)
    return re.sub(r"'[^']{0,80}'", "'...'", text)[:150]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--why", type=int, default=0)
    asked = parser.parse_args()
    source = os.environ.get("TARN_DATA", "../shared/data")
    with tempfile.TemporaryDirectory() as work:
        alone, guided = os.path.join(work, "alone"), os.path.join(work, "guided")
        archives = [os.path.join(source, f"ig/{g}.tar.zst") for g in GUIDES]
        subprocess.run([f"{asked.build}/tarn", "package", "add", "--data", guided, *archives], check=True,
                       stdout=subprocess.DEVNULL)
        servers = [serve(asked.build, alone), serve(asked.build, guided)]
        print("| set | resources | R4 alone | with guides |\n|---|---|---|---|")
        for name, pattern in SETS:
            rows = list(resources(os.path.join(source, pattern), work))
            both = [refused(url, rows) for _, url in servers]
            print(f"| {name} | {len(rows):,} | {len(both[0]):,} | {len(both[1]):,} |", flush=True)
            for side, found in zip(("alone", "guides"), both):
                reasons = collections.Counter(t for _, told in found for t in {plain(x) for x in told})
                for text, count in reasons.most_common(asked.why):
                    print(f"    {side} {count}: {text}")
        for server, _ in servers:
            server.send_signal(signal.SIGTERM)
            server.wait()


main()
