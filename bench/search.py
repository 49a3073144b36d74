#!/usr/bin/env python3
"""Thirty shapes of searches at several store sizes: what of a search's cost grows with the store?

usage: bench/search.py BUILD [--members 1000,4000] [--size BYTES] [--rounds N] [--keep FOLDER] [--only TEXT]

Members come from `tarn sandbox --ndjson`, some 60 resources each. Each shape asks about one member or
one value, so that what it finds stays the same (first pages have 20 entries); what it counts grows.
Prints p50 and p99 of each shape at each size, the processor time of an answer, and the ratios of the
largest size to the smallest. Larger sizes
(16000,64000) take long: the loading is about 15,000 resources a second.
"""
import argparse, http.client, json, os, re, shutil, signal, socket, subprocess, tempfile, time, urllib.parse

args = argparse.ArgumentParser()
args.add_argument("build")
args.add_argument("--members", default="1000,4000")
args.add_argument("--size", default="60K")
args.add_argument("--rounds", type=int, default=60)
args.add_argument("--keep", help="the stores stay in this folder, and those that are there are not loaded again")
args.add_argument("--only", default="", help="shapes whose name has this text")
args = args.parse_args()
tarn = args.build + "/tarn"
ID = "0123456789abcdef0123456789abcdef"
BASE = f"/datastore/{ID}/r4"
BUNDLE = 400


class Store:
    def __init__(self, folder):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen(
            [tarn, "serve", "--data", folder, "--no-auth", "--datastore-id", ID, "--validation-level", "off",
             "--listen", f"127.0.0.1:{self.port}"], stdout=subprocess.PIPE, text=True)
        while not self.process.stdout.readline().startswith("data store"):
            if self.process.poll() is not None:
                raise SystemExit("bench: the store did not start")
        self.http = http.client.HTTPConnection("127.0.0.1", self.port)

    def ask(self, method, path, body=None):
        self.http.request(method, BASE + path, body, {"Content-Type": "application/fhir+json"} if body else {})
        answer = self.http.getresponse()
        return answer.status, answer.read()

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return [int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS")][0]

    def processor_us(self):
        """That its threads have had so far: steadier than time where others use the cores."""
        total = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/schedstat") as stat:
                total += int(stat.read().split()[0])
        return total / 1000

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def load(store, members):
    """All members' resources; those of the first member are returned."""
    out = subprocess.Popen([tarn, "sandbox", "--ndjson", "--members", str(members), "--consents", "1", "--years",
                            "1", "--size", args.size], stdout=subprocess.PIPE, text=True)
    first, patients, entries, count = [], 0, [], 0
    head = re.compile('{"resourceType":"([^"]+)","id":"([^"]+)"')

    def send():
        if entries:
            body = '{"resourceType":"Bundle","type":"batch","entry":[' + ",".join(entries) + "]}"
            status, answer = store.ask("POST", "", body.encode())
            assert status == 200, answer[:500]
            entries.clear()

    for line in out.stdout:
        kind, name = head.match(line).groups()
        patients += kind == "Patient"
        if patients < 2:
            first.append(json.loads(line))
        entries.append('{"resource":' + line.strip() + ',"request":{"method":"PUT","url":"%s/%s"}}' % (kind, name))
        count += 1
        if len(entries) == BUNDLE:
            send()
    send()
    out.wait()
    return first, count


def find(first, kind, wanted=lambda r: True):
    found = [r for r in first if r["resourceType"] == kind and wanted(r)]
    return found[0] if found else None


def shapes(first):
    q = urllib.parse.quote
    patient = find(first, "Patient")
    measured = find(first, "Observation", lambda r: "valueQuantity" in r and "effectiveDateTime" in r)
    p, coding = patient["id"], measured["code"]["coding"][0]
    code = q(coding.get("system", "") + "|" + coding["code"])
    value, day = measured["valueQuantity"]["value"], measured["effectiveDateTime"][:10]
    identifier = q(patient["identifier"][0].get("system", "") + "|" + patient["identifier"][0]["value"])
    family = q(patient["name"][0]["family"])
    tag = q(patient["meta"]["tag"][0]["system"] + "|" + patient["meta"]["tag"][0]["code"])
    practitioner = find(first, "Practitioner")["id"]
    page = "&_count=20"
    return [
        ("read by _id", f"Patient?_id={p}"),
        ("identifier", f"Patient?identifier={identifier}"),
        ("reference", f"Observation?patient=Patient/{p}{page}"),
        ("tag", f"Observation?_tag={tag}{page}"),
        ("AND: reference, code", f"Observation?patient=Patient/{p}&code={code}"),
        ("AND: reference, category, status", f"Condition?patient=Patient/{p}&clinical-status=active{page}"),
        ("AND: frequent code, frequent status", f"Observation?code={code}&status=final{page}"),
        ("OR: two codes of a member", f"Observation?patient=Patient/{p}&code={code},http://loinc.org%7C8867-4"),
        ("OR: three references", f"Condition?patient=Patient/{p},Patient/x,Patient/y{page}"),
        ("NOT: of a member", f"Observation?patient=Patient/{p}&status:not=cancelled{page}"),
        ("missing: of a member", f"Observation?patient=Patient/{p}&value-quantity:missing=true{page}"),
        ("string prefix", f"Patient?family={family}{page}"),
        ("string :exact", f"Patient?family:exact={family}{page}"),
        ("string :contains", f"Patient?family:contains={family[1:]}{page}"),
        ("date range of a member", f"Observation?patient=Patient/{p}&date=ge{day}&date=le{day}"),
        ("date range, first page", f"Encounter?date=ge2020-01-01{page}"),
        ("_lastUpdated, first page", f"Encounter?_lastUpdated=gt2020-01-01{page}"),
        ("quantity of a member", f"Observation?patient=Patient/{p}&value-quantity={value}"),
        ("composite: code and value, first page", f"Observation?code-value-quantity={code}%24{value}&_count=2"),
        ("composite: code and value range, first page", f"Observation?code-value-quantity={code}%24gt0{page}"),
        ("code and date, first page", f"Observation?code={code}&date={day}{page}"),
        ("chain: of one patient", f"Observation?patient.identifier={identifier}{page}"),
        ("chain: two levels", f"ExplanationOfBenefit?coverage.beneficiary.identifier={identifier}{page}"),
        ("chain: of a shared practitioner", f"PractitionerRole?practitioner._id={practitioner}{page}"),
        ("_has: of one patient", f"Patient?_has:Observation:patient:_id={measured['id']}"),
        ("_has: with _id", f"Patient?_id={p}&_has:Observation:patient:code={code}"),
        ("chain: of half of all, first page", f"Observation?patient.gender=female{page}"),
        ("_has: of many, first page", f"Patient?_has:Observation:patient:code={code}{page}"),
        ("_include", f"Encounter?patient=Patient/{p}&_include=Encounter:patient{page}"),
        ("_revinclude", f"Patient?_id={p}&_revinclude=Condition:patient"),
        ("_sort=date of a member", f"Observation?patient=Patient/{p}&_sort=date{page}"),
        ("_sort=-_lastUpdated, first page", f"Observation?_sort=-_lastUpdated{page}"),
        ("_sort=date, first page of all", f"Observation?_sort=-date{page}"),
        ("_sort=-date of a code, first page", f"Observation?code={code}&_sort=-date{page}"),
        ("_sort=-_lastUpdated of a date range", f"Observation?date=ge2024-01-01&_sort=-_lastUpdated{page}"),
        ("_sort=family,given, first page of all", f"Patient?_sort=family,given{page}"),
        ("count of a code", f"Observation?code={code}&_summary=count"),
        ("count of a type", "Observation?_summary=count"),
    ]


def measure(store, target):
    times, status, body, spent = [], 0, b"", 0
    for i in range(args.rounds + 3):
        if i == 3:
            spent = store.processor_us()
        begun = time.perf_counter()
        status, body = store.ask("GET", "/" + target)
        if i >= 3:
            times.append((time.perf_counter() - begun) * 1e6)
        if sum(times) > 4e6 and len(times) >= 10:
            break
    spent = (store.processor_us() - spent) / len(times)
    times.sort()
    answer = json.loads(body) if status == 200 else {}
    found = answer.get("total", len(answer.get("entry", [])))
    return status, found, times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))], spent


sizes = [int(text) for text in args.members.split(",")]
table = {}
for members in sizes:
    place = f"{args.keep}/{members}" if args.keep else tempfile.mkdtemp(prefix="bench-search-", dir=args.build)
    os.makedirs(place, exist_ok=True)
    begun, kept = time.monotonic(), place + "/first.json"
    store = Store(place)
    try:
        if os.path.exists(kept):
            first, count = json.load(open(kept))
        else:
            first, count = load(store, members)
            print(f"{members} members, {count} resources, loaded in {time.monotonic() - begun:.0f} s", flush=True)
            json.dump([first, count], open(kept, "w"))
        for name, target in shapes(first):
            if args.only in name:
                table.setdefault(name, []).append(measure(store, target))
        print(f"memory of the store {store.memory():.0f} MB", flush=True)
    finally:
        store.stop()
        if not args.keep:
            shutil.rmtree(place)

print(f"{'shape':<42}" + "".join(f"{f'found at {m}':>16}{'p50 us':>9}{'p99 us':>9}{'cpu us':>9}" for m in sizes)
      + f"{'p50':>8}{'cpu':>7}")
for name, rows in table.items():
    cells = "".join(f"{found if status == 200 else f'({status})':>16}{p50:>9,.0f}{p99:>9,.0f}{spent:>9,.0f}"
                    for status, found, p50, p99, spent in rows)
    print(f"{name:<42}{cells}{rows[-1][2] / rows[0][2]:>8.2f}{rows[-1][4] / rows[0][4]:>7.2f}")
