#!/usr/bin/env python3
"""Every official example broken on purpose: is it told, at the right element?

  base_mutants.py TARN R4 [SEED]      (shared/data/r4)

For each example that is valid: a required element removed, a primitive of another
JSON type, a code that is not of a required value set, an unknown member, two values
where one may be and one where a list must be. What must be where is taken from the
published StructureDefinitions, not from our tables. Fails for each mutant without an
error at its element.
"""
import collections
import copy
import json
import os
import random
import subprocess
import sys
import tempfile

EACH = 3  # mutants of a kind of an example
PRIMITIVES = set(
    "base64Binary boolean canonical code date dateTime decimal id instant integer markdown oid "
    "positiveInt string time unsignedInt uri url uuid xhtml".split()
)


def definitions(r4):
    text = subprocess.run(
        ["zstd", "-dc", f"{r4}/definitions/structuredefinition-base.ndjson.zst"],
        capture_output=True, check=True).stdout
    types = {}
    for line in text.splitlines():
        d = json.loads(line)
        if "snapshot" not in d:
            continue
        for e in d["snapshot"]["element"]:
            path, _, name = e["path"].rpartition(".")
            if path:
                types.setdefault(path, {})[name] = e
    return types


def match(elements, key):
    """The element that the JSON member is, its type, its name in an expression."""
    if key in elements:
        kinds = elements[key].get("type", [{}])
        return elements[key], kinds[0].get("code", ""), key
    for name, e in elements.items():
        stem = name[:-3]
        if name.endswith("[x]") and key.startswith(stem):
            for t in e["type"]:
                code = t["code"]
                if key == stem + code[0].upper() + code[1:]:
                    return e, code, stem
    return None


def sites(types, path, value, expression, keys, out):
    """All members below: (keys to the holder, member, element, type, expressions)."""
    elements = types.get(path, {})
    for key, child in value.items():
        found = match(elements, key)
        if not found or key in ("contained", "text", "resource", "id", "meta"):
            continue
        element, code, name = found
        here = f"{expression}.{name}"
        out.append((keys, key, element, code, expression, here, value))
        below = f"{path}.{key}" if f"{path}.{key}" in types else code
        if "contentReference" in element:
            below = element["contentReference"][1:]
        for i, item in enumerate(child if isinstance(child, list) else [child]):
            if isinstance(item, dict) and len(keys) < 12:
                at = f"{here}[{i}]" if isinstance(child, list) else here
                step = keys + ([key, i] if isinstance(child, list) else [key])
                sites(types, below, item, at, step, out)


def holder_of(root, keys):
    for key in keys:
        root = root[key]
    return root


def is_list(element):
    return element["base"]["max"] not in ("0", "1")


def first(expression, value):
    return f"{expression}[0]" if isinstance(value, list) else expression


def removed(site):
    _, key, element, _, outer, _, holder = site
    if element["min"] == 0 or len(holder) < 2:
        return None
    return (lambda h: (h.pop(key), h.pop("_" + key, None))), outer


def retyped(site):
    _, key, _, code, _, here, holder = site
    if code not in PRIMITIVES or key not in holder or holder[key] in (None, [None]):
        return None
    bad = {"no": "object"}

    def change(h):
        if isinstance(h[key], list):
            h[key][0] = bad
        else:
            h[key] = bad
    return change, first(here, holder[key])


def recoded(site):
    _, key, element, code, _, here, holder = site
    strength = element.get("binding", {}).get("strength")
    value_set = element.get("binding", {}).get("valueSet", "")
    open_sets = ("mimetypes", "currencies", "all-languages", "ucum-units")
    if code != "code" or strength != "required" or any(s in value_set for s in open_sets):
        return None

    def change(h):
        if isinstance(h[key], list):
            h[key][0] = "no-such-code"
        else:
            h[key] = "no-such-code"
    return change, first(here, holder[key])


def extended(site):
    return (lambda h: h.update(noSuchMember=1)), site[4]


def repeated(site):
    _, key, element, code, _, here, holder = site
    if is_list(element):
        if not isinstance(holder[key], list) or key.startswith("_"):
            return None
        return (lambda h: h.update({key: h[key][0]})), here
    return (lambda h: h.update({key: [h[key], h[key]]})), here


KINDS = {"removed": removed, "retyped": retyped, "recoded": recoded, "extended": extended,
         "repeated": repeated}


def mutants(resource, types, rng):
    found = []
    sites(types, resource["resourceType"], resource, resource["resourceType"], [], found)
    for kind, make in KINDS.items():
        choice = [(s, m) for s in found if (m := make(s))]
        for site, (change, expected) in rng.sample(choice, min(EACH, len(choice))):
            broken = copy.deepcopy(resource)
            change(holder_of(broken, site[0]))
            yield kind, expected, broken


def validate(tarn, files):
    answers = []
    for i in range(0, len(files), 500):
        run = subprocess.run([tarn, "validate", "--json", "--quiet"] + files[i:i + 500],
                             capture_output=True, text=True)
        decoder, text, at = json.JSONDecoder(), run.stdout, 0
        while at < len(text.rstrip()):
            answer, at = decoder.raw_decode(text, at)
            answers.append(answer)
            while at < len(text) and text[at].isspace():
                at += 1
    return answers


def main(tarn, r4, seed="1"):
    rng, types = random.Random(int(seed)), definitions(r4)
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(f"{folder}/good")
        subprocess.run(["tar", "--zstd", "-xf", f"{r4}/examples.tar.zst", "-C", f"{folder}/good"],
                       check=True)
        good = sorted(os.path.join(d, f) for d, _, fs in os.walk(f"{folder}/good") for f in fs)
        valid = [a["file"] for a in validate(tarn, good) if a["errors"] == 0]
        made = []
        for path in valid:
            resource = json.load(open(path, encoding="utf-8-sig"))
            for kind, expected, broken in mutants(resource, types, rng):
                name = f"{folder}/{len(made)}.json"
                json.dump(broken, open(name, "w"))
                made.append((os.path.basename(path), kind, expected, name))
        counts, missed = collections.Counter(), 0
        for (source, kind, expected, _), answer in zip(made, validate(tarn, [m[3] for m in made])):
            counts[kind] += 1
            if any(i["expression"] == expected for i in answer["issues"]):
                continue
            missed += 1
            if missed <= 20:
                told = [(i["expression"], i["text"][:80]) for i in answer["issues"][:2]]
                print(f"{source}: {kind} at {expected}: told {told}")
    print(", ".join(f"{n} {kind}" for kind, n in counts.items()))
    print(f"{len(made) - missed} passed, {missed} failed, 0 skipped")
    return 1 if missed else 0


sys.exit(main(*sys.argv[1:]))
