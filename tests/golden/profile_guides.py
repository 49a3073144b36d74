#!/usr/bin/env python3
"""The guides' examples are valid against their profiles, and broken ones are not.

  profile_guides.py TARN IG [--keep]     (shared/data/ig)

Each guide's examples must be without errors, but for EXCEPTIONS. Then each is broken
in every way that its profile's published snapshot suggests, one at a time:

  remove     an element with min >= 1, at each place where it stands
  repeat     an element of a list beyond its max
  forbid     an element with max 0, put in
  fixed      another text where a fixed or pattern value stands, outside of slices
  slice      what makes an element belong to a required slice, spoilt
  slice twice  a second element of a slice that may have one
  type       another type of a choice than the profile leaves
  code       a code that the value set of a required binding cannot have
  extra      a member that no definition has

and must be told at the right place: at the element, or at what should hold it.
"""
import copy
import glob
import json
import os
import subprocess
import sys
import tempfile

GUIDES = [
    ("us-core-3.1.1", []),
    ("us-core-4.0.0", []),
    ("us-core-6.1.0", []),
    ("us-core-7.0.0", []),
    ("carin-bb-1.1.0", ["us-core-3.1.1"]),
    ("carin-bb-2.0.0", ["us-core-3.1.1"]),
    ("davinci-pdex-2.2.0", ["us-core-3.1.1", "us-core-6.1.0", "us-core-7.0.0", "carin-bb-2.0.0"]),
]
EXCEPTIONS = {
    "us-core-3.1.1/DiagnosticReport-cardiology-report.json": "its hash is no base64",
    **{
        f"carin-bb-2.0.0/ExplanationOfBenefit-EOB{name}2.json": "its narrative has &reg;, which XML has not"
        for name in ("Inpatient", "Professional")
    },
    "us-core-6.1.0/Bundle-docref-example-2.json": "a fullUrl with another id than its resource",
    "us-core-3.1.1/Bundle-uscore-mo3.json": "a fullUrl is no absolute URL",
    "us-core-4.0.0/Bundle-uscore-mo3.json": "a fullUrl is no absolute URL",
    **{
        f"us-core-{v}/Observation-satO2-fiO2.json": "its L/min is not in the value set of R4's vital signs"
        for v in ("3.1.1", "4.0.0", "6.1.0", "7.0.0")
    },
    **{
        f"us-core-{v}/Patient-example.json": "a display that R4's code system cuts off"
        for v in ("6.1.0", "7.0.0")
    },
    **{
        f"us-core-{v}/Bundle-{name}.json": "a link of its narrative leads nowhere"
        for v in ("3.1.1", "4.0.0", "6.1.0")
        for name in (
            "66c8856b-ba11-4876-8aa8-467aad8c11a2",
            "c887e62f-6166-419f-8268-b5ecd6c7b901",
        )
    },
}
MUTANTS_EACH = 60  # of one example and kind


def unpack(path, folder):
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["tar", "--zstd", "-xf", path, "-C", folder], check=True)


def validate(tarn, packages, files, profile=None):
    # PDex names profiles of packages that are not in the data.
    command = [tarn, "validate", "--json", "--quiet", "--unknown-profiles", "warn"]
    if profile:
        command += ["--profile", profile]
    for p in packages:
        command += ["--package", p]
    text = subprocess.run(command + files, capture_output=True, text=True).stdout
    decoder, at, found = json.JSONDecoder(), 0, {}
    while text[at:].strip():
        while text[at].isspace():
            at += 1
        report, at = decoder.raw_decode(text, at)
        found[report["file"]] = [i for i in report["issues"] if i["severity"] in ("error", "fatal")]
    return found


# ---- places in a resource ----


def steps(resource, names, where):
    """(holder, expression of the holder) of each element at the path, without its last name."""
    if len(names) == 1:
        yield resource, where
        return
    name, rest = names[0], names[1:]
    value = resource.get(name)
    for i, item in enumerate(value if isinstance(value, list) else [value]):
        if isinstance(item, dict):
            part = f"{where}.{name}[{i}]" if isinstance(value, list) else f"{where}.{name}"
            yield from steps(item, rest, part)


def holders(resource, element):
    """The objects that may hold the element; none for what lies in slices or choices."""
    names = element["path"].split(".")[1:]
    parts = element["id"].split(".")[1:]
    inside = any(":" in p or "[x]" in p for p in parts[:-1])
    if not names or inside:
        return
    for holder, where in steps(resource, names, resource["resourceType"]):
        yield holder, where, names[-1], names


def apply(resource, names, where, change):
    """A copy of the resource, changed in the holder at `where`."""
    other = copy.deepcopy(resource)
    for holder, at in steps(other, names, other["resourceType"]):
        if at == where:
            change(holder)
    return other


def key_of(holder, name):
    if not name.endswith("[x]"):
        return name
    stem = name[:-3]
    return next((k for k in holder if k.startswith(stem) and k[len(stem) :][:1].isupper()), name)


# ---- mutants: (kind, resource, expressions one of which must have an error) ----


def removed(resource, element):
    if element.get("min", 0) < 1 or "sliceName" in element:
        return
    for holder, where, name, names in holders(resource, element):
        key = key_of(holder, name)
        if key in holder:

            def change(h):
                h.pop(key)
                h.pop("_" + key, None)

            yield apply(resource, names, where, change), [where]


def repeated(resource, element):
    top = element.get("max", "*")
    if top in ("*", "0") or "sliceName" in element or int(top) > 5:
        return
    for holder, where, name, names in holders(resource, element):
        value = holder.get(name)
        if isinstance(value, list) and value:
            more = value + [copy.deepcopy(value[0])] * (int(top) + 1 - len(value))
            yield apply(resource, names, where, lambda h: h.update({name: more})), [where]


def forbidden(resource, element):
    if element.get("max") != "0" or "sliceName" in element:
        return
    for _, where, name, names in holders(resource, element):
        if name == "extension":
            bad = [{"url": "http://example.org/x", "valueCode": "x"}]
            yield apply(resource, names, where, lambda h: h.update({name: bad})), [where]


def other_text(value):
    if isinstance(value, dict):
        for k, v in value.items():
            if k in ("code", "system", "value", "url"):
                return {**value, k: "changed" if k != "system" else "http://changed.example"}
        return {k: other_text(v) for k, v in value.items()}
    if isinstance(value, list):
        return [other_text(v) for v in value]
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, (int, float)) else "changed"


def fixed_value(element):
    return next((element[k] for k in element if k.startswith(("fixed", "pattern"))), None)


def unfixed(resource, element):
    if fixed_value(element) is None or "sliceName" in element:
        return
    for holder, where, name, names in holders(resource, element):
        key = key_of(holder, name)
        if key in holder:
            changed = other_text(holder[key])
            at = f"{where}.{name.removesuffix('[x]')}"
            yield apply(resource, names, where, lambda h: h.update({key: changed})), [where, at]


def matches(value, pattern):
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            k in value and matches(value[k], p) for k, p in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(matches(v, p) for v in value) for p in pattern)
    return value == pattern


def criteria(element, definition):
    """What a slice of a list asks of its elements: (path, pattern) each; None: it is told otherwise."""
    rows = {e["id"]: e for e in definition["snapshot"]["element"]}
    sliced = rows.get(element["id"].rpartition(":")[0], {})
    asked = []
    for d in sliced.get("slicing", {}).get("discriminator", []):
        if d["type"] not in ("value", "pattern") or "(" in d["path"]:
            return None
        path = [] if d["path"] == "$this" else d["path"].split(".")
        for depth in range(len(path), -1, -1):
            row = rows.get(".".join([element["id"]] + path[:depth]), {})
            if fixed_value(row) is not None:
                asked.append((path[:depth], fixed_value(row)))
                break
        else:
            return None
    return asked or None


def selected(value, path):
    values = [value]
    for name in path:
        inner = [v[name] for v in values if isinstance(v, dict) and name in v]
        values = [i for v in inner for i in (v if isinstance(v, list) else [v])]
    return values


def is_in_slice(value, asked):
    return all(any(matches(v, p) for v in selected(value, path)) for path, p in asked)


def sliced_lists(resource, element, definition):
    """(holder's place, names, list, what the slice asks) wherever the slice has elements."""
    if "sliceName" not in element or "/" in element["sliceName"]:
        return
    asked = criteria(element, definition)
    for _, where, name, names in holders(resource, element) if asked else ():
        for holder, at in steps(resource, names, resource["resourceType"]):
            values = holder.get(name)
            if at == where and isinstance(values, list) and any(is_in_slice(v, asked) for v in values):
                yield where, names, name, values, asked


def spoilt(value, asked):
    other = copy.deepcopy(value)
    path, pattern = asked[0]
    if not path:
        return other_text(other)
    holder = other
    for step in path[:-1]:
        holder = holder[step][0] if isinstance(holder[step], list) else holder[step]
    holder[path[-1]] = other_text(holder[path[-1]])
    return other


def unsliced(resource, element, definition):
    """Required slices spoilt: their elements belong there no more."""
    if element.get("min", 0) < 1:
        return
    for where, names, name, values, asked in sliced_lists(resource, element, definition):
        rest = [spoilt(v, asked) if is_in_slice(v, asked) else v for v in values]
        yield apply(resource, names, where, lambda h: h.update({name: rest})), [where]


def sliced_twice(resource, element, definition):
    """A slice that may have one element gets two."""
    if element.get("max") != "1":
        return
    for where, names, name, values, asked in sliced_lists(resource, element, definition):
        more = values + [copy.deepcopy(v) for v in values if is_in_slice(v, asked)]
        yield apply(resource, names, where, lambda h: h.update({name: more})), [where]


# Code systems that are whole in R4 or in a guide: of others a wrong code is not known.
WHOLE = set()


def read_systems(ig, work):
    r4 = os.path.join(ig, "../r4/definitions/codesystem.ndjson.zst")
    lines = subprocess.run(["zstd", "-dc", r4], capture_output=True, text=True, check=True).stdout
    texts = lines.splitlines()
    for path in glob.glob(os.path.join(work, "*/package/CodeSystem-*.json")):
        texts.append(open(path, encoding="utf-8").read())
    for text in texts:
        system = json.loads(text)
        if system["content"] == "complete":
            WHOLE.add(system["url"])


def recoded(resource, element):
    """A code that a required binding's value set cannot have."""
    if element.get("binding", {}).get("strength") != "required" or "sliceName" in element:
        return
    for holder, where, name, names in holders(resource, element):
        value = holder.get(name)
        if isinstance(value, str):
            yield (apply(resource, names, where, lambda h: h.update({name: "no-such-code"})),
                   [f"{where}.{name}"])
        codings = value.get("coding", []) if isinstance(value, dict) else []
        if codings and all(c.get("system") in WHOLE for c in codings):
            wrong = {**value, "coding": [{**c, "code": "no-such-code"} for c in codings]}
            yield (apply(resource, names, where, lambda h: h.update({name: wrong})),
                   [f"{where}.{name}"])


def extended(resource, element):
    """A member that no definition has."""
    for holder, where, name, names in holders(resource, element):
        if name == element["path"].split(".")[-1] and isinstance(holder.get(name), dict):
            more = {**holder[name], "shoeSize": 42}
            yield apply(resource, names, where, lambda h: h.update({name: more})), [f"{where}.{name}"]


def retyped(resource, element):
    if not element["path"].endswith("[x]") or "sliceName" in element:
        return
    codes = {t["code"] for t in element.get("type", [])}
    if len(codes) > 3 or codes & {"string", "boolean"}:
        return
    for holder, where, name, names in holders(resource, element):
        key, stem = key_of(holder, name), name[:-3]
        if key not in holder:
            continue

        def change(h):
            h.pop(key)
            h.pop("_" + key, None)
            h[stem + "Boolean"] = True

        yield apply(resource, names, where, change), [where, f"{where}.{stem}"]


KINDS = {
    "remove": removed,
    "repeat": repeated,
    "forbid": forbidden,
    "fixed": unfixed,
    "slice": unsliced,
    "slice twice": sliced_twice,
    "type": retyped,
    "code": recoded,
    "extra": extended,
}
OF_SLICES = (unsliced, sliced_twice)


def mutants(resource, definition):
    for kind, make in KINDS.items():
        count = 0
        for element in definition["snapshot"]["element"]:
            more = (definition,) if make in OF_SLICES else ()
            for mutant, places in make(resource, element, *more):
                if count < MUTANTS_EACH:
                    yield kind, element["id"], mutant, places
                count += 1


def definitions(folder):
    found = {}
    for path in glob.glob(os.path.join(folder, "package", "StructureDefinition-*.json")):
        d = json.load(open(path))
        if d.get("derivation") == "constraint" and "snapshot" in d:
            found[d["url"]] = found[f"{d['url']}|{d['version']}"] = d
    return found


def is_told(issues, places):
    """At one of the places, or inside of it."""
    return any(
        i["expression"] == p or i["expression"].startswith((p + ".", p + "["))
        for i in issues
        for p in places
    )


def break_examples(tarn, guide, work, packages, examples, failures):
    known, made = definitions(os.path.join(work, guide)), {}
    counts = dict.fromkeys(KINDS, 0)
    folder = tempfile.mkdtemp(dir=work)
    for path in examples:
        resource = json.load(open(path))
        for url in resource.get("meta", {}).get("profile", []):
            if url not in known:
                continue
            for kind, element, mutant, places in mutants(resource, known[url]):
                name = os.path.join(folder, f"{len(made)}.json")
                json.dump(mutant, open(name, "w"))
                made[name] = (kind, os.path.basename(path), element, places, known[url])
                counts[kind] += 1
    # Asked by name: a mutant without meta.profile does not ask itself.
    by_profile = {}
    for name, (*_, d) in made.items():
        by_profile.setdefault(f"{d['url']}|{d['version']}", []).append(name)
    for profile, files in by_profile.items():
        for name, issues in validate(tarn, packages, files, profile).items():
            kind, example, element, places, _ = made[name]
            if not is_told(issues, places):
                failures.append(f"{guide}/{example}: {kind} {element}: not told at {places}")
    return counts


def main(tarn, ig):
    failures, total = [], 0
    with tempfile.TemporaryDirectory() as work:
        for guide, _ in GUIDES:
            unpack(os.path.join(ig, guide + ".tar.zst"), os.path.join(work, guide))
            unpack(os.path.join(ig, guide + "-examples.tar.zst"), os.path.join(work, guide))
        read_systems(ig, work)
        for guide, needs in GUIDES:
            packages = [os.path.join(work, p, "package") for p in needs + [guide]]
            paths = sorted(glob.glob(os.path.join(work, guide, "package", "example", "*.json")))
            valid = []
            for path, issues in validate(tarn, packages, paths).items():
                name = f"{guide}/{os.path.basename(path)}"
                if not issues:
                    valid.append(path)
                if bool(issues) != (name in EXCEPTIONS):
                    failures.append(f"{name}: {issues[:1] or 'is valid, but listed'}")
            counts = break_examples(tarn, guide, work, packages, valid, failures)
            total += len(paths) + sum(counts.values())
            told = ", ".join(f"{n} {k}" for k, n in counts.items())
            print(f"{guide}: {len(valid)} of {len(paths)} examples valid; mutants: {told}")
    for line in failures[:40]:
        print("  " + line)
    print(f"{total - len(failures)} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


sys.exit(main(sys.argv[1], sys.argv[2]))
