#!/usr/bin/env python3
"""The verdicts of `tarn validate` beside the official validator's.

  validator_suite.py TARN FOLDER      (shared/data/suites/fhir-validator)

Of the cases for R4 those without a profile, package or terminology server, whose
errors (if any) are not all beyond base R4 (see BEYOND): a case is valid when its recorded outcome has no error. Prints every difference
and the share of equal verdicts.
"""
import json
import os
import re
import subprocess
import sys


# What the official validator finds beyond base R4: a terminology server's knowledge,
# extensions and profiles of other packages, a Questionnaire beside its response,
# publication rules.
BEYOND = re.compile(
    r"Wrong Display|could not be found so is not allowed|LinkId|[Aa]nswer|Items of type|"
    r"is not in the set of permitted|allowed (min|max)imum|decimal places|unit value set|"
    r"does not resolve|HL7 is publishing|fixed to|definition allows for|is not valid for this|"
    r"exclusive option|not allowed to be used at this point|que-12|too large|"
    r"is not allowed \(allowed"
)


def is_beyond(outcome):
    texts = [
        json.dumps(i.get("details", i))
        for i in outcome["issue"]
        if i["severity"] in ("fatal", "error")
    ]
    return bool(texts) and all(BEYOND.search(t) for t in texts)


def outcome_of(folder, case):
    java = case.get("java")
    if isinstance(java, str):
        path = os.path.join(folder, "outcomes", java)
        base = path[:-5] + "-base.json"
        for p in (path, base):
            if os.path.exists(p):
                java = json.load(open(p, encoding="utf-8-sig"))
    if isinstance(java, dict) and "outcome" in java:
        java = java["outcome"]
    return java if isinstance(java, dict) and "issue" in java else None


def main(tarn, folder):
    manifest = json.load(open(os.path.join(folder, "manifest.json"), encoding="utf-8-sig"))
    same = total = skipped = 0
    for case in manifest["test-cases"]:
        path = os.path.join(folder, case["file"])
        outcome = outcome_of(folder, case)
        concerns = case["version"].startswith("4.0") and path.endswith(".json")
        needs = {"packages", "profile", "profiles", "logical"} & set(case)
        if not concerns or needs or case.get("module", "").startswith("tx"):
            skipped += 1
            continue
        if not outcome or not os.path.exists(path) or is_beyond(outcome):
            skipped += 1
            continue
        errors = [i for i in outcome["issue"] if i["severity"] in ("fatal", "error")]
        run = subprocess.run([tarn, "validate", "--json", "--quiet", path], capture_output=True)
        ours = json.loads(run.stdout)
        total += 1
        if (ours["errors"] == 0) == (not errors):
            same += 1
            continue
        theirs = errors[0] if errors else {}
        print(f"{case['name']}: official {len(errors)} errors, ours {ours['errors']}")
        if errors:
            print("    official:", json.dumps(theirs.get("details", theirs))[:220])
        for issue in ours["issues"][:2]:
            print("    ours:", issue["expression"], issue["text"][:160])
    print(f"{same} of {total} verdicts equal ({100 * same / max(total, 1):.1f} %), {skipped} not run")


main(sys.argv[1], sys.argv[2])
