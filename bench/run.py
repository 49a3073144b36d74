#!/usr/bin/env python3
"""One run, one table: each figure of `tarn serve` beside its ceiling program.

usage: bench/run.py BUILD [--seconds N] [--json FILE]

Figures drift with the machine; the ratio of two figures taken in one run holds.
Everything runs on loopback, without authentication, with durable writes, in a
fresh folder below BUILD (so: on the disk of the checkout). The records come from
the sandbox's generator.
"""
import argparse, http.client, json, os, re, shutil, signal, socket, subprocess, sys, tempfile, time

args = argparse.ArgumentParser()
args.add_argument("build")
args.add_argument("--seconds", type=float, default=4)
args.add_argument("--json")
args = args.parse_args()
tarn, bench = args.build + "/tarn", args.build + "/bench/"
place = tempfile.mkdtemp(prefix="bench-", dir=args.build)
ID = "0123456789abcdef0123456789abcdef"
BASE = f"/datastore/{ID}/r4"
BUNDLE = 500
rows = []


def row(what, value, unit, ceiling=None, name="", floor=None, higher_is_better=True):
    ratio = None if ceiling is None else (value / ceiling if higher_is_better else ceiling / value)
    rows.append(dict(what=what, value=value, unit=unit, ceiling=ceiling, ceiling_name=name, ratio=ratio, floor=floor))
    shown = "" if ratio is None else f"{ceiling:>12,.0f}  {ratio:6.1%}"
    wanted = "" if floor is None else f"  floor {floor:.0%} {'ok' if ratio >= floor else 'MISSED'}"
    print(f"{what:<46}{value:>12,.1f} {unit:<12}{shown:<22}{name}{wanted}", flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(*command):
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if out.returncode:
        raise SystemExit(f"bench: {' '.join(command[:4])} failed")
    return float(out.stdout.split()[0]), out.stdout.split()


class Store:
    def __init__(self, data):
        self.data, self.port = data, free_port()
        self.start()

    def start(self):
        begun = time.monotonic()
        self.process = subprocess.Popen([tarn, "serve", "--data", self.data, "--no-auth", "--datastore-id", ID,
                                         "--listen", f"127.0.0.1:{self.port}"], stdout=subprocess.PIPE, text=True)
        while not self.process.stdout.readline().startswith("data store"):
            if self.process.poll() is not None:
                raise SystemExit("bench: the store did not start")
        status, _ = self.ask("GET", "/Patient?_count=1")
        assert status == 200, status
        return (time.monotonic() - begun) * 1000

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        c.request(method, BASE + path, body, {"content-type": "application/fhir+json"})
        r = c.getresponse()
        return r.status, r.read()

    def memory_mb(self, field):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(field + r":\s+(\d+)", f.read()).group(1)) / 1024

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()


def member_resources():
    """The records of a few generated members, as their JSON text."""
    sandbox = subprocess.Popen([tarn, "sandbox", "--listen", "127.0.0.1:0", "--consents-file", place + "/consents"],
                               stdout=subprocess.PIPE, text=True)
    base = next(l for l in sandbox.stdout if "listening on" in l).split("listening on ")[1].split()[0]
    host, found = base.split("//")[1], {}
    for line in open(place + "/consents"):
        if line.startswith("#") or not line.strip():
            continue
        token = line.split(",")[2].strip()
        for _ in range(60):
            c = http.client.HTTPConnection(host)
            c.request("GET", "/fhir/Patient/$PATIENT_ID/$everything", headers={"authorization": "Bearer " + token})
            r = c.getresponse()
            body = r.read()
            if r.status == 200:
                break
            time.sleep(0.2)
        for e in json.loads(body)["entry"]:
            if "id" in e.get("resource", {}):
                for part in (e["resource"], *e["resource"].get("contained", [])):
                    part.get("meta", {}).pop("project", None)  # Flexpa's own, as sync strips it
                found[e["resource"]["resourceType"], e["resource"]["id"]] = e["resource"]
    sandbox.send_signal(signal.SIGTERM)
    sandbox.wait()
    return found


def sync_large_member(store):
    """One consent of about 17 MB through `tarn sync`, twice: its memory, its rate."""
    consents = place + "/large"
    sandbox = subprocess.Popen([tarn, "sandbox", "--listen", "127.0.0.1:0", "--consents-file", consents,
                                "--members", "1", "--consents", "1", "--size", "17M", "--years", "10"],
                               stdout=subprocess.PIPE, text=True)
    base = next(l for l in sandbox.stdout if "listening on" in l).split("listening on ")[1].split()[0]
    env = dict(os.environ, FLEXPA_API_BASE=base, HEALTHLAKE_ENDPOINT=f"http://127.0.0.1:{store.port}{BASE}",
               HOME=place)
    for what in ("sync of a large member, first", "  again, nothing changed"):
        begun = time.monotonic()
        sync = subprocess.Popen([tarn, "sync", "--consents", consents, "--json"], stdout=subprocess.PIPE, env=env)
        highest = 0  # wait4() would count this script's own memory too, from before the exec
        while sync.poll() is None:
            try:
                with open(f"/proc/{sync.pid}/status") as f:
                    found = re.search(r"VmHWM:\s+(\d+)", f.read())
                    highest = int(found.group(1)) if found else highest
            except OSError:
                pass
            time.sleep(0.002)
        took = time.monotonic() - begun
        report = json.loads(sync.stdout.read())
        assert sync.returncode == 0, report
        counts = report["consents"][0]
        row(what, counts["fetched"] / took, "resources/s")
        row("  bytes of the record", counts["receivedBytes"] / 1e6, "MB")
        row("  memory of tarn sync", highest / 1024, "MB", 64, "at most 64 MB", 1.0, False)
    sandbox.send_signal(signal.SIGTERM)
    sandbox.wait()


def write_bundles(resources):
    """PUT transactions of 500; every id gets a round number, so no post repeats."""
    ids = sorted({i for _, i in resources}, key=len, reverse=True)
    mark = re.compile("|".join(map(re.escape, ids)))
    files, keys = [], sorted(resources)
    while len(keys) < BUNDLE * 2:  # few members: repeat them under other ids
        keys = keys + keys
    for n in range(0, len(keys) - BUNDLE + 1, BUNDLE):
        entries = []
        for i, key in enumerate(keys[n:n + BUNDLE]):
            resource = dict(resources[key])
            text = mark.sub(lambda m: m.group(0)[:36] + "-@ROUND@", json.dumps(resource))
            own = f'{key[1][:36]}-@ROUND@'
            unique = f"{own[:-8]}.{n}.{i}-@ROUND@"[:64]
            text = text.replace(f'"id": "{own}"', f'"id": "{unique}"', 1)
            entries.append('{"resource": %s, "request": {"method": "PUT", "url": "%s/%s"}}' % (text, key[0], unique))
        path = f"{place}/bundle-{len(files)}.json"
        with open(path, "w") as out:
            out.write('{"resourceType": "Bundle", "type": "transaction", "entry": [%s]}' % ",".join(entries))
        files.append(path)
        if len(files) == 4:
            break
    return files


def one_member(count):
    """A Patient with count-1 Observations of about 2 KB."""
    note = "An observation made for the benchmark, with the words that such notes have. " * 20
    entries = [{"resource": {"resourceType": "Patient", "id": "big"}, "request": {"method": "PUT", "url": "Patient/big"}}]
    for i in range(count - 1):
        entries.append({"request": {"method": "PUT", "url": f"Observation/big-{i}"}, "resource": {
            "resourceType": "Observation", "id": f"big-{i}", "status": "final", "subject": {"reference": "Patient/big"},
            "code": {"coding": [{"system": "http://loinc.org", "code": f"{8000 + i % 200}-{i % 10}"}]},
            "effectiveDateTime": f"20{i % 20:02d}-0{1 + i % 9}-1{i % 10}T0{i % 10}:00:00Z",
            "valueQuantity": {"value": i * 1.25, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
            "note": [{"text": note[i % 50:]}]}})
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


seconds = str(args.seconds)
print(f"{'':46}{'Tarn':>12} {'':12}{'ceiling':>12}  {'ratio':>6}")
resources = member_resources()
bundles = write_bundles(resources)
ceiling, _ = run(bench + "ceiling_ingest", place, seconds, *bundles)
store = Store(place + "/data")
for clients in (1, 2):
    rate, _ = run(bench + "load", "post", str(store.port), str(clients), seconds, BASE, *bundles)
    row(f"bundle ingest, {clients} client{'s' * (clients > 1)}", rate * BUNDLE, "resources/s", ceiling,
        "pipeline, 1 thread", 0.20 if clients == 2 else None)
row("  memory of the store after it", store.memory_mb("VmRSS"), "MB")
row("  largest so far", store.memory_mb("VmHWM"), "MB")

sample = json.dumps({"resourceType": "Basic", "id": "@ID@", "code": {"text": "x"}, "extension": [
    {"url": "http://example.org/pad", "valueString": "p" * 1700}]})
with open(place + "/put.json", "w") as out:
    out.write(sample)
for clients in (1, 8, 64):
    raw, _ = run(bench + "ceiling_log", "raw", place, str(clients), seconds, "2000")
    own, _ = run(bench + "ceiling_log", "rocksdb", place, str(clients), seconds, "2000")
    shutil.rmtree(place + "/ceiling-rocksdb", ignore_errors=True)
    begun = store.cpu_seconds()
    rate, words = run(bench + "load", "put", str(store.port), str(clients), seconds, f"{BASE}/Basic", place + "/put.json")
    row(f"durable PUT, {clients} client{'s' * (clients > 1)}", rate, "writes/s", raw, "raw log, shared sync", 0.25)
    row("  the same", rate, "writes/s", own, "RocksDB's log, 5 rows", 0.60)
    row("  median of it", float(words[2]), "us")

with open(place + "/member.json", "w") as out:
    out.write(one_member(1000))
status, _ = store.ask("POST", "", open(place + "/member.json").read())
assert status == 200
with open(place + "/reads", "w") as out:
    out.writelines(f"{BASE}/Observation/big-{i}\n" for i in range(999))
with open(place + "/everything", "w") as out:
    out.write(f"{BASE}/Patient/big/$everything\n")
tag = next(t for r in resources.values() for t in r.get("meta", {}).get("tag", []) if t["system"].endswith("ConsentId"))
with open(place + "/search", "w") as out:
    out.write(f"{BASE}/Coverage?_tag={tag['system']}%7C{tag['code']}&_count=10\n")
_, body = store.ask("GET", "/Observation/big-1")
port = free_port()
other = subprocess.Popen([bench + "ceiling_http", str(port), str(len(body)), "1000", place + "/member.json"], stdout=subprocess.PIPE)
other.stdout.readline()
with open(place + "/small", "w") as out:
    out.write("/small\n")
for what, paths, path, floor, clients in (("read by id", "/reads", "/small", None, 2),
                                           ("tag search, 10 of a page", "/search", "/small", None, 2),
                                           ("$everything, 1,000 resources", "/everything", "/everything", 0.30, 1)):
    with open(place + "/ceiling", "w") as out:
        out.write(path + "\n")
    bare, _ = run(bench + "load", "get", str(port), str(clients), seconds, place + "/ceiling")
    begun, cpu = time.monotonic(), store.cpu_seconds()
    rate, words = run(bench + "load", "get", str(store.port), str(clients), seconds, place + paths)
    spent = (store.cpu_seconds() - cpu) / (rate * (time.monotonic() - begun))
    row(what, rate, "answers/s", bare, "bare epoll loop", floor)
    row("  processor time of an answer", spent * 1e6, "us")
other.kill()

sync_large_member(store)
store.stop()
row("clean start to first answer", store.start(), "ms", 100, "at most 100 ms", 1.0, False)
run(bench + "load", "post", str(store.port), "1", "1", BASE, *bundles)
store.stop(signal.SIGKILL)
row("start after kill -9 to first answer", store.start(), "ms", 1000, "at most 1 s", 1.0, False)
row("memory after start", store.memory_mb("VmRSS"), "MB")
store.stop()
if args.json:
    with open(args.json, "w") as out:
        json.dump(rows, out, indent=1)
shutil.rmtree(place)
missed = [r["what"] for r in rows if r["floor"] is not None and r["ratio"] < r["floor"]]
print("below their floor: " + (", ".join(missed) or "none"))
