#!/usr/bin/env python3
"""Verdicts with profiles and packages beside the official validator's.

  profile_suite.py TARN SUITE IG      (shared/data/suites/fhir-validator, shared/data/ig)

The cases of the suite that bring a profile, supporting definitions or packages. Run
are those whose profiles are JSON and whose packages are in the data; a case is valid
when its recorded outcome has no error. Prints every difference with both sides' first
errors, what was not run and why, and the share of equal verdicts.
"""
import collections
import json
import os
import subprocess
import sys

from official_suite import load, outcome_of

GUIDES = {
    "hl7.fhir.us.core#3.1.1": "us-core-3.1.1.tar.zst",
    "hl7.fhir.us.core#4.0.0": "us-core-4.0.0.tar.zst",
    "hl7.fhir.us.core#6.1.0": "us-core-6.1.0.tar.zst",
    "hl7.fhir.us.core#7.0.0": "us-core-7.0.0.tar.zst",
    "hl7.fhir.us.core#3.1.0": "us-core-3.1.1.tar.zst",
}

KNOWN = {
    "res-inv-example-good": "a target's profile of a package that is not there is a warning here",
    "ext-derived": "the url of an extension derived from another one is not held against its definition",
    "ext-derived-circle": "terminology server: SNOMED CT; and HL7's publication rules",
}


class NotRun(Exception):
    pass


def file_of(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        raise NotRun(f"{name} is not in the data")
    if not name.endswith((".json", ".tgz")):
        raise NotRun("a definition is XML")
    return path


def packages_of(folder, ig, names):
    paths = []
    for name in names:
        if name in GUIDES:
            paths.append(os.path.join(ig, GUIDES[name]))
        elif name.endswith(".tgz"):
            paths.append(file_of(folder, name))
        else:
            raise NotRun(f"package {name} is not in the data")
    return paths


def plan(folder, ig, case):
    """(package files, profile urls, outcome)"""
    profile = case.get("profile")
    files = packages_of(folder, ig, case.get("packages", []))
    extra = case.get("supporting", []) + case.get("profiles", [])
    urls = []
    java = case.get("java")
    if "logical" in case:
        raise NotRun("a logical model")
    if profile:
        extra += profile.get("supporting", [])
        files += packages_of(folder, ig, profile.get("packages", []))
        source = profile["source"]
        java = profile.get("java", java)
        if source.startswith("http"):
            urls.append(source)
        else:
            urls.append(load(file_of(folder, source))["url"])
            extra.append(source)
    for name in case.get("profiles", []):
        definition = load(file_of(folder, name))
        if definition["resourceType"] == "StructureDefinition":
            urls.append(definition["url"])
    files += [file_of(folder, name) for name in extra]
    return files, urls, outcome_of(folder, java)


def run(tarn, path, files, urls):
    command = [tarn, "validate", "--json", "--quiet"]
    for f in dict.fromkeys(files):
        command += ["--package", f]
    for u in urls:
        command += ["--profile", u]
    done = subprocess.run(command + [path], capture_output=True)
    return json.loads(done.stdout)


def main(tarn, folder, ig):
    manifest = load(os.path.join(folder, "manifest.json"))
    same = total = failed = 0
    met = set()
    skipped = collections.Counter()
    for case in manifest["test-cases"]:
        needs = {"packages", "profile", "profiles", "supporting", "logical"} & set(case)
        if not needs or not case["version"].startswith("4.0"):
            continue
        path = os.path.join(folder, case["file"])
        try:
            if case.get("module") in ("questionnaire", "measure", "tx", "tx-advanced"):
                raise NotRun(f"module {case['module']}")
            files, urls, outcome = plan(folder, ig, case)
            if not outcome:
                raise NotRun("no recorded outcome")
            if not os.path.exists(path):
                raise NotRun("no input")
        except NotRun as why:
            skipped[str(why)] += 1
            continue
        errors = [i for i in outcome["issue"] if i["severity"] in ("fatal", "error")]
        ours = run(tarn, path, files, urls)
        total += 1
        if (ours["errors"] == 0) == (not errors):
            same += 1
            continue
        known = KNOWN.get(case["name"])
        met.add(case["name"])
        failed += not known
        print(f"{case['name']}: official {len(errors)} errors, ours {ours['errors']}: {known or 'NEW'}")
        if known:
            continue
        for e in errors[:2]:
            print("    official:", json.dumps(e.get("expression")), json.dumps(e.get("details", e))[:260])
        for issue in ours["issues"][:3]:
            print("    ours:", issue["expression"], issue["text"][:220])
    print(f"{same} of {total} verdicts equal ({100 * same / max(total, 1):.1f} %)")
    for why, count in skipped.most_common():
        print(f"    not run, {count}: {why}")
    for name in sorted(set(KNOWN) - met):
        failed += 1
        print(f"{name}: is equal now (or gone): take it off KNOWN")
    # A known difference is no pass: it is listed, and not counted.
    print(f"{same} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3]))
