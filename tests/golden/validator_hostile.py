#!/usr/bin/env python3
"""Hostile shapes of twice the size take at most 2.5 times as long to validate.

  validator_hostile.py TARN [SHAPE...]

CPU time of `tarn validate`, the better of two. Nothing may end as "too-costly" but one
text of millions of characters under a regular expression.
"""
import json
import resource
import subprocess
import sys
import tempfile

RATIO = 2.5
SLACK = 0.1  # seconds: start, and a clock of 10 ms


def nested(depth):
    extension = {"url": "http://x", "valueCode": "x"}
    for _ in range(depth):
        extension = {"url": "http://x", "extension": [extension]}
    return extension


def basic(i, more=None):
    return {"resourceType": "Basic", "id": f"c{i}", "code": {"text": "x"}, **(more or {})}


def patient(**members):
    return {"resourceType": "Patient", **members}


def link(to):
    return [{"other": {"reference": to}, "type": "seealso"}]


def bundle(kind, entries, **members):
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **members}


def entry(i, to):
    return {"fullUrl": f"http://x/Patient/p{i}", "resource": patient(id=f"p{i}", link=link(to))}


def urn(i):
    return f"urn:uuid:{i:08d}-0000-4000-8000-000000000000"


def div(inner):
    return {"status": "generated", "div": f"<div xmlns='http://www.w3.org/1999/xhtml'>{inner}</div>"}


def document(n):
    composition = {
        "resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "x"},
        "date": "2020", "author": [{"display": "x"}], "title": "x",
        "section": [{"title": "x", "entry": [{"reference": f"Patient/p{i}"} for i in range(n)]}],
    }
    first = {"fullUrl": "http://x/Composition/c", "resource": composition}
    return bundle(
        "document", [first] + [entry(i, f"Patient/p{(i + 1) % n}") for i in range(n)],
        identifier={"system": "urn:x", "value": "1"}, timestamp="2020-01-01T00:00:00Z")


SHAPES = {
    "contained resources": (20000, lambda n: patient(
        contained=[basic(i) for i in range(n)], link=[link(f"#c{i}")[0] for i in range(n)])),
    "contained, unnamed": (20000, lambda n: patient(contained=[basic(i) for i in range(n)])),
    "contained, each other": (20000, lambda n: patient(contained=[
        basic(i, {"subject": {"reference": f"#c{(i + 1) % n}"}}) for i in range(n)])),
    "contained, one id": (20000, lambda n: patient(contained=[basic(0) for _ in range(n)])),
    "extensions": (50000, lambda n: patient(
        extension=[{"url": f"http://x/{i}", "valueCode": "x"} for i in range(n)])),
    "empty extensions": (50000, lambda n: patient(extension=[{"url": "http://x"} for _ in range(n)])),
    "nested extensions": (1000, lambda n: patient(extension=[nested(40) for _ in range(n)])),
    "one element id": (50000, lambda n: patient(name=[{"id": "a", "text": "x"} for _ in range(n)])),
    "nulls": (50000, lambda n: patient(name=[{"given": [None] * n, "_given": [None] * n}])),
    "references in a bundle": (20000, lambda n: bundle(
        "collection", [entry(i, f"Patient/p{i * 7 % n}") for i in range(n)])),
    "urns in a bundle": (20000, lambda n: bundle("transaction", [
        {"fullUrl": urn(i), "request": {"method": "POST", "url": "Patient"},
         "resource": patient(link=link(urn(i * 7 % n)))} for i in range(n)])),
    "one fullUrl": (20000, lambda n: bundle("collection", [entry(0, "Patient/p0")] * n)),
    "document": (10000, document),
    "narrative": (20000, lambda n: patient(text=div("".join(
        f"<p id='a{i}'><a href='#a{i + 1}'>x</a></p>" for i in range(n))))),
    "narrative, wrong": (50000, lambda n: patient(text=div("<x y='a'>&q;</x>" * n))),
    "narrative, attributes": (50000, lambda n: patient(text=div(
        "<p " + " ".join(f"a{i}='x'" for i in range(n)) + "/>x"))),
    "narrative, hashes": (200000, lambda n: patient(contained=[basic(0)], text=div("#" * n + "'#" * n))),
    "links that lead nowhere": (10000, lambda n: bundle("collection", [
        {"fullUrl": f"http://x/Patient/p{i}",
         "resource": patient(id=f"p{i}", text=div("<a href='#zz'>x</a>"))} for i in range(n)])),
    "questions": (10000, lambda n: {"resourceType": "Questionnaire", "status": "draft", "item": [
        {"linkId": f"a{i}", "type": "string", "enableWhen": [
            {"question": f"a{(i + 1) % n}", "operator": "exists", "answerBoolean": True}]}
        for i in range(n)]}),
    "value set": (50000, lambda n: {"resourceType": "ValueSet", "status": "draft", "compose": {
        "include": [{"system": "http://x", "concept": [{"code": f"a{i}"} for i in range(n)]}]}}),
    "code system": (50000, lambda n: {
        "resourceType": "CodeSystem", "status": "draft", "content": "complete", "url": "http://x",
        "count": n, "concept": [{"code": f"a{i}"} for i in range(n)]}),
    "snapshot": (5000, lambda n: {
        "resourceType": "StructureDefinition", "url": "http://x", "name": "X", "status": "draft",
        "kind": "resource", "abstract": False, "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "snapshot": {"element": [
            {"id": f"Patient.x{i}", "path": "Patient.name", "min": 0, "max": "*", "definition": "x",
             "base": {"path": "Patient.name", "min": 0, "max": "*"}} for i in range(n)]}}),
    "long texts": (2000000, lambda n: {"resourceType": "ActivityDefinition", "status": "draft",
                                       "name": "a" * n, "description": " " * n}),
    "long ids": (1000000, lambda n: patient(id="a" * n, identifier=[{"system": "urn:oid:1" + ".1" * n}])),
    "base64": (2000000, lambda n: {"resourceType": "Binary", "contentType": "text/plain", "data": "AAAA" * n}),
    "units": (20000, lambda n: {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"}, "component": [
            {"code": {"text": "x"}, "valueQuantity": {
                "value": 1.5, "system": "http://unitsofmeasure.org", "code": "mg"}} for _ in range(n)]}),
    "codings": (50000, lambda n: basic(0, {"code": {"coding": [
        {"system": "http://snomed.info/sct", "code": str(i)} for i in range(n)]}})),
}
MAY_TIRE = {"long texts"}


def seconds(tarn, path):
    """CPU time, and whether a rule was left out."""
    best, told = None, ""
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run([tarn, "validate", "--json", path], capture_output=True, text=True, timeout=120)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best, told = min(best or took, took), run.stdout
    return best, "too-costly" in told


def main(tarn, *names):
    passed = failed = 0
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        for name, (size, make) in SHAPES.items():
            if names and name not in names:
                continue
            times, is_tired = [], False
            for n in (size, 2 * size):
                file.seek(0)
                file.truncate()
                json.dump(make(n), file)
                file.flush()
                took, tired = seconds(tarn, file.name)
                times.append(took)
                is_tired |= tired and name not in MAY_TIRE
            is_good = times[1] <= RATIO * times[0] + SLACK and not is_tired
            passed, failed = passed + is_good, failed + (not is_good)
            if names or not is_good:
                print(f"{name}: {size}: {times[0]:.2f} s, twice: {times[1]:.2f} s{', tired' if is_tired else ''}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:]))
