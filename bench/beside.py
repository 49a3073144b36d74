#!/usr/bin/env python3
"""beside.py - do readers wait for writers?

usage: python3 bench/beside.py BUILD [--seconds 8] [--writers 2] [--entries 10000]

One client asks a mix of searches and reads, one request after another: while nothing is written; beside
--writers clients that send batches of 500 generated resources as fast as they are taken; beside one that
sends transactions of --entries entries (ids in no order) one after another; and again while nothing is
written, since the store has grown meanwhile. All in one run: the ratios hold, to the larger of the two
idle figures. The clients that write are nicer than the one that reads, as if they were elsewhere.
"""
import argparse, json, os, random, re, shutil, signal, socket, subprocess, tempfile, time, urllib.parse

args = argparse.ArgumentParser()
args.add_argument("build")
args.add_argument("--seconds", type=float, default=8)
args.add_argument("--writers", type=int, default=2)
args.add_argument("--entries", type=int, default=10000)
args.add_argument("--members", type=int, default=300)
args = args.parse_args()
tarn, load = args.build + "/tarn", args.build + "/bench/load"
ID = "0123456789abcdef0123456789abcdef"
BASE = f"/datastore/{ID}/r4"
BUNDLE = 500


def renamed(lines):
    """Batches of the resources under ids that end in @ROUND@, references with them."""
    ids = [json.loads(line)["id"] for line in lines]
    known = re.compile('"(' + "|".join(sorted({json.loads(l)["resourceType"] for l in lines})) + ')/([^"]+)"')
    have, bundles, entries = set(ids), [], []
    for line, own in zip(lines, ids):
        kind = json.loads(line)["resourceType"]
        text = known.sub(lambda m: f'"{m[1]}/{m[2]}-@ROUND@"' if m[2] in have else m[0], line)
        text = text.replace(f'"id":"{own}"', f'"id":"{own}-@ROUND@"', 1)
        entries.append('{"resource":%s,"request":{"method":"PUT","url":"%s/%s-@ROUND@"}}' % (text, kind, own))
        if len(entries) == BUNDLE:
            bundles.append('{"resourceType":"Bundle","type":"batch","entry":[' + ",".join(entries) + "]}")
            entries.clear()
    return bundles


def transaction(count):
    entries = []
    for i in range(count):
        at = i * 7919 % 1000003
        resource = {"resourceType": "Observation", "id": f"{at}-@ROUND@", "status": "final",
                    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]},
                    "subject": {"reference": f"Patient/p{at % 500}"}, "effectiveDateTime": "2026-01-01T12:00:00Z",
                    "valueQuantity": {"value": 60, "unit": "/min", "system": "http://unitsofmeasure.org",
                                      "code": "/min"}}
        entries.append({"resource": resource, "request": {"method": "PUT", "url": "Observation/" + resource["id"]}})
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def mix(lines):
    """Searches about members of round 0, and first pages of all."""
    found, resources, page = [], [json.loads(line) for line in lines], "&_count=20"
    first = "-0000000"
    measured = [r for r in resources if r["resourceType"] == "Observation" and "effectiveDateTime" in r
                and r.get("subject", {}).get("reference", "").startswith("Patient/")]
    patients = {r["id"]: r for r in resources if r["resourceType"] == "Patient"}
    random.seed(1)
    for r in random.sample(measured, min(200, len(measured))):
        p = r["subject"]["reference"].split("/")[1]
        if p not in patients:
            continue
        coding, who = r["code"]["coding"][0], patients[p]
        code = coding.get("system", "") + "%7C" + coding["code"]
        identifier = who["identifier"][0].get("system", "") + "%7C" + who["identifier"][0]["value"]
        day = r["effectiveDateTime"][:10]
        found += [("read", f"/Patient/{p}{first}"), ("read", f"/Observation/{r['id']}{first}"),
                  ("_id", f"/Patient?_id={p}{first}"),
                  ("reference", f"/Observation?patient=Patient/{p}{first}{page}"),
                  ("reference and code", f"/Observation?patient=Patient/{p}{first}&code={code}"),
                  ("code and date", f"/Observation?code={code}&date={day}{page}"),
                  ("identifier", f"/Patient?identifier={identifier}{page}"),
                  ("family name", f"/Patient?family={who['name'][0]['family']}{page}"),
                  ("_sort=-date of a member", f"/Observation?patient=Patient/{p}{first}&_sort=-date{page}"),
                  ("_revinclude", f"/Patient?_id={p}{first}&_revinclude=Condition:patient"),
                  ("count of a code", f"/Observation?code={code}&_summary=count"),
                  ("date range, first page", f"/Encounter?date=ge2020-01-01{page}")]
    return [BASE + urllib.parse.quote(path, "/?&=%:,-_") + "\t" + kind for kind, path in found]


def start(data):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen([tarn, "serve", "--data", data, "--no-auth", "--datastore-id", ID, "--validation-level",
                                "off", "--listen", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True)
    while not process.stdout.readline().startswith("data store"):
        if process.poll() is not None:
            raise SystemExit("beside: the store did not start")
    return process, port


def write(port, clients, seconds, paths):
    return subprocess.Popen([load, "post", str(port), str(clients), str(seconds), BASE, *paths],
                            stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.nice(5))


def read(port, what, paths, writer=None, entries=0, idle=None):
    time.sleep(0.5)
    out = subprocess.run([load, "get", str(port), "1", str(args.seconds), paths], stdout=subprocess.PIPE, text=True)
    parts = out.stdout.split()
    rate, p50, p99 = float(parts[0]), float(parts[2]), float(parts[4])
    told = f"{what:<28}{rate:>9,.0f}/s   p50 {p50:>7,.0f} us   p99 {p99:>7,.0f} us"
    if idle:
        told += f"   {p99 / idle:5.2f} times"
    if writer:
        sent = writer.communicate()[0].split()
        told += f"   {float(sent[0]) * entries:,.0f} resources/s written"
    print(told, flush=True)
    for line in out.stdout.splitlines()[1:]:
        p50, p99_of, kind = line.split(" ", 2)
        table.setdefault(kind, []).append((float(p50), float(p99_of)))
    return p99


table = {}
place = tempfile.mkdtemp(prefix="beside-", dir=args.build)
process, port = start(place + "/data")
try:
    lines = subprocess.run([tarn, "sandbox", "--ndjson", "--members", str(args.members), "--consents", "1", "--years",
                            "1", "--size", "60K"], stdout=subprocess.PIPE, text=True).stdout.splitlines()
    files = []
    for i, text in enumerate(renamed(lines)):
        files.append(f"{place}/batch-{i}.json")
        open(files[-1], "w").write(text)
    open(place + "/large.json", "w").write(transaction(args.entries))
    kept = lines[:len(lines) // BUNDLE * BUNDLE]
    open(place + "/paths", "w").write("\n".join(mix(kept)))
    alone = write(port, args.writers, args.seconds, files).communicate()[0].split()
    print(f"writers alone: {float(alone[0]) * BUNDLE:,.0f} resources/s", flush=True)
    time.sleep(3)  # merges
    first = read(port, "nothing written", place + "/paths")
    read(port, "beside batches", place + "/paths", write(port, args.writers, args.seconds + 0.5, files), BUNDLE, first)
    time.sleep(1)
    read(port, "beside large transactions", place + "/paths",
         write(port, 1, args.seconds + 0.5, [place + "/large.json"]), args.entries, first)
    time.sleep(3)
    read(port, "nothing written, at the end", place + "/paths", idle=first)
    print(f"{'p50 and p99 in us, by kind':<28}{'idle':>16}{'batches':>16}{'large':>16}{'at the end':>16}")
    for kind, rows in table.items():
        print(f"{kind:<28}" + "".join(f"{p50:>8,.0f}{p99:>8,.0f}" for p50, p99 in rows))
finally:
    process.send_signal(signal.SIGTERM)
    process.wait()
    shutil.rmtree(place, ignore_errors=True)
