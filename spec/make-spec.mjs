#!/usr/bin/env node
// Turn the published FHIR R4 definitions into the compact text that tools/gen
// reads. For maintainers; the build only needs the result. See README.md.
//
//   node make-spec.mjs OUT [PACKAGE]
//
// PACKAGE is the unpacked package folder; without it `npm pack` fetches it
// from whatever registry npm is set up to use.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PACKAGE = "hl7.fhir.r4.examples@4.0.1";
const COMPARTMENTS = ["patient", "encounter", "relatedPerson", "practitioner", "device"];
const BUNDLES = [
  "types", "resources", "searchParams", "valuesets", "v2-valuesets", "v3-valuesets",
  "profiles-others", "extensions", "valueset-expansions",
];
const PROFILE = "http://hl7.org/fhir/StructureDefinition/";

// Two places where the published snapshots disagree with the specification's
// pages (see README.md, "Corrections").
const CORRECTIONS = { "Resource.id": "id", "xhtml.id": "string" };

const MAX_VALUE_SET = PROFILE + "elementdefinition-maxValueSet";
// The name that one binding has for the value set of media types.
const BCP_13 = "http://www.rfc-editor.org/bcp/bcp13.txt";
const ALIASES = { [BCP_13]: "http://hl7.org/fhir/ValueSet/mimetypes" };
// A code system that is published as a value set's expansion alone, and what ISO has
// added to it since.
const CURRENCIES = "http://hl7.org/fhir/ValueSet/currencies";
const CURRENCY_SYSTEM = "urn:iso:std:iso:4217";
const LATER_CURRENCIES = [
  { code: "SLE", display: "Sierra Leonean leone" }, // 2022
  { code: "UYW", display: "Unidad previsional" }, // 2018
  { code: "VED", display: "Venezuelan digital bolívar" }, // 2021
  { code: "VES", display: "Venezuelan bolívar soberano" }, // 2018
  { code: "XCG", display: "Caribbean guilder" }, // 2025
  { code: "ZWG", display: "Zimbabwe Gold" }, // 2024
];

// A rule whose expression says something else than its text.
const RULES = {
  "que-12": "enableWhen.count() > 1 implies enableBehavior.exists()", // published: > 2
};

function fetchPackage() {
  const folder = mkdtempSync(join(tmpdir(), "tarn-spec-"));
  const name = execFileSync("npm", ["pack", "--silent", PACKAGE], { cwd: folder }).toString();
  execFileSync("tar", ["-xzf", name.trim().split("\n").pop()], { cwd: folder });
  return { folder: join(folder, "package"), remove: folder };
}

function header(title) {
  return [
    `# ${title}`,
    `# Made by make-spec.mjs from ${PACKAGE} (FHIR R4 4.0.1, CC0-1.0). Do not edit.`,
    "",
  ];
}

function byName(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

// ---- types ----

function targetName(url) {
  if (!url.startsWith(PROFILE)) throw new Error(`target profile ${url}`);
  return url.slice(PROFILE.length);
}

function typeText(element, type) {
  let code = type.code;
  if (code.startsWith("http://hl7.org/fhirpath/")) {
    const real = (type.extension ?? []).find((e) => e.url.endsWith("structuredefinition-fhir-type"));
    code = CORRECTIONS[element.path] ?? real.valueUrl;
  }
  const targets = (type.targetProfile ?? []).map(targetName);
  return targets.length ? `${code}(${targets.join("|")})` : code;
}

// An element with children of its own is an anonymous type, named by its path.
function elementTypes(element, paths) {
  if (element.contentReference) return element.contentReference.replace(/^#/, "");
  if (paths.has(element.path)) return element.path;
  return element.type.map((t) => typeText(element, t)).join(",");
}

function elementLine(element, paths) {
  const words = [
    "  " + element.path.slice(element.path.lastIndexOf(".") + 1),
    `${element.min}..${element.max}`,
    elementTypes(element, paths),
  ];
  // Prohibited in a specialisation (xhtml.extension): the base still says it repeats.
  if (element.max === "0" && element.base.max === "*") words.push("repeats");
  if (element.isModifier) words.push("modifier");
  if (element.isSummary) words.push("summary");
  if (element.binding?.valueSet)
    words.push(`${element.binding.strength}=${element.binding.valueSet}`);
  const most = element.binding?.extension?.find((e) => e.url === MAX_VALUE_SET);
  if (most) words.push(`max=${most.valueCanonical}`);
  return words.join(" ");
}

function typeKind(definition) {
  if (definition.kind === "resource") return "resource";
  return definition.kind === "primitive-type" ? "primitive" : "complex";
}

function definitionLines(definition) {
  const elements = definition.snapshot.element.slice(1);
  const parents = new Set(elements.map((e) => e.path.slice(0, e.path.lastIndexOf("."))));
  const paths = new Set(elements.map((e) => e.path).filter((p) => parents.has(p)));
  const base = definition.baseDefinition?.slice(PROFILE.length) ?? "-";
  const blocks = [{ path: definition.name, kind: typeKind(definition), base }];
  for (const e of elements)
    if (paths.has(e.path)) blocks.push({ path: e.path, kind: "backbone", base: e.type[0].code });

  const lines = [];
  for (const block of blocks) {
    const isAbstract = block.path === definition.name && definition.abstract;
    lines.push(`${block.kind} ${block.path} ${block.base}${isAbstract ? " abstract" : ""}`);
    for (const e of elements) {
      const isHere = e.path.slice(0, e.path.lastIndexOf(".")) === block.path;
      const isOwn = e.base.path === e.path || e.max !== e.base.max;
      const isValue = block.kind === "primitive" && e.path === `${block.path}.value`;
      if (isHere && isOwn && !isValue) lines.push(elementLine(e, paths));
    }
  }
  return lines;
}

function makeTypes(bundles) {
  const all = [...bundles.types, ...bundles.resources].filter(
    (d) =>
      d.resourceType === "StructureDefinition" &&
      d.derivation !== "constraint" &&
      d.kind !== "logical",
  );
  const order = ["primitive", "complex", "resource"];
  all.sort(
    (a, b) =>
      order.indexOf(typeKind(a)) - order.indexOf(typeKind(b)) || byName(a.name, b.name),
  );
  return [...header("Types and elements."), ...all.flatMap(definitionLines)];
}

// ---- search parameters ----

function makeParams(bundles) {
  const lines = header("Search parameters.");
  for (const p of [...bundles.searchParams].sort((a, b) => byName(a.id, b.id))) {
    if (p.url !== `http://hl7.org/fhir/SearchParameter/${p.id}`) throw new Error(p.url);
    lines.push(`param ${p.id} ${p.type} ${p.code}`, `  base ${p.base.join(" ")}`);
    if (p.target) lines.push(`  target ${p.target.join(" ")}`);
    if (p.expression) lines.push(`  expression ${p.expression}`);
    for (const c of p.component ?? [])
      lines.push(`  component ${c.definition.split("/").pop()} ${c.expression}`);
  }
  return lines;
}

// ---- value sets of required bindings ----

// Codes of a code system, without those that only group others.
function conceptCodes(concepts, out) {
  for (const c of concepts ?? []) {
    const isGroup = (c.property ?? []).some((p) => p.code === "notSelectable" && p.valueBoolean);
    if (!isGroup) out.push(c.code);
    conceptCodes(c.concept, out);
  }
  return out;
}

// [system, codes] in published order; codes ["*"]: all that the system has,
// which is not published here.
function includedCodes(include, sets, systems) {
  if (include.filter) throw new Error(`filter in ${JSON.stringify(include)}`);
  if (include.valueSet)
    return include.valueSet.flatMap((url) =>
      sets[url.split("|")[0]].compose.include.flatMap((i) => includedCodes(i, sets, systems)),
    );
  const system = systems[include.system];
  if (include.concept) return [[include.system, include.concept.map((c) => c.code)]];
  if (system?.content !== "complete") return [[include.system, ["*"]]];
  return [[include.system, conceptCodes(system.concept, [])]];
}

function currencySystem(bundles) {
  const set = bundles["valueset-expansions"].find((r) => r.url === CURRENCIES);
  const known = set.expansion.contains.map((c) => pick(c, ["code", "display"]));
  return {
    resourceType: "CodeSystem",
    url: CURRENCY_SYSTEM,
    name: "ISO4217",
    title: "ISO 4217 currency codes",
    status: "active",
    caseSensitive: true,
    content: "complete",
    concept: [...known, ...LATER_CURRENCIES].sort((a, b) => byName(a.code, b.code)),
  };
}

function makeValueSets(bundles, typeLines) {
  const sets = {};
  const systems = {};
  for (const r of [...bundles.valuesets, ...bundles["v2-valuesets"], ...bundles["v3-valuesets"]])
    (r.resourceType === "ValueSet" ? sets : systems)[r.url] = r;
  const urls = typeLines.flatMap((line) =>
    [...line.matchAll(/ (?:required|max)=(\S+)/g)].map((m) => m[1]),
  );
  systems[CURRENCY_SYSTEM] = currencySystem(bundles);

  const lines = header("Value sets of required bindings, and those that no code may lie outside of.");
  for (const url of [...new Set(urls)].sort(byName)) {
    lines.push(`valueset ${url}`);
    const plain = url.split("|")[0];
    const set = sets[ALIASES[plain] ?? plain]; // one is LOINC's and not published here
    if (set?.compose.exclude) throw new Error(`exclude in ${url}`);
    for (const include of set?.compose.include ?? [])
      for (const [system, codes] of includedCodes(include, sets, systems)) {
        if (codes.some((c) => /\s/.test(c))) throw new Error(`blank in a code of ${url}`);
        lines.push(`  ${system} ${codes.join(" ")}`);
      }
  }
  return lines;
}

// ---- terminology ----

// Properties by which concepts are chosen; the others only describe.
const PROPERTIES = [
  "abstract", "acme-plasma", "canonical", "child", "class", "inactive", "notSelectable", "parent",
  "status", "subsumedBy",
];

function pick(object, names) {
  return Object.fromEntries(names.filter((n) => n in object).map((n) => [n, object[n]]));
}

function smallConcept(concept) {
  const small = pick(concept, ["code", "display"]);
  const property = (concept.property ?? []).filter((p) => PROPERTIES.includes(p.code));
  if (property.length) small.property = property;
  if (concept.concept) small.concept = concept.concept.map(smallConcept);
  return small;
}

function smallClause(clause) {
  const small = pick(clause, ["system", "version", "filter", "valueSet"]);
  if (clause.concept) small.concept = clause.concept.map((c) => pick(c, ["code", "display"]));
  return small;
}

// Every CodeSystem and ValueSet, a line of JSON each, without what only people read.
function makeTerminology(bundles) {
  const all = {};
  const own = [currencySystem(bundles)];
  for (const r of [
    ...bundles["v2-valuesets"], ...bundles["v3-valuesets"], ...bundles.valuesets, ...own,
  ]) {
    const small = pick(r, [
      "resourceType", "url", "version", "name", "title", "status", "caseSensitive",
      "hierarchyMeaning", "content",
    ]);
    if (r.concept) small.concept = r.concept.map(smallConcept);
    if (r.compose) {
      small.compose = { include: r.compose.include.map(smallClause) };
      if (r.compose.exclude) small.compose.exclude = r.compose.exclude.map(smallClause);
    }
    all[`${r.url} ${r.resourceType}`] = JSON.stringify(small);
  }
  return Object.keys(all).sort(byName).map((key) => all[key]);
}

// ---- profiles and extensions ----

// Extensions that the published definitions themselves, and all guides, use where
// their contexts of 4.0.1 do not allow them; later publications do (README.md).
const CONTEXTS = {
  "capabilitystatement-expectation": "Element",
  "regex": "ElementDefinition.type",
  "structuredefinition-fhir-type": "ElementDefinition.type",
};
// Work groups have been founded since.
const GROWING = ["http://hl7.org/fhir/ValueSet/hl7-work-group|4.0.1"];

const ELEMENT_PARTS = [
  "id", "path", "sliceName", "slicing", "min", "max", "contentReference", "type", "maxLength",
  "constraint", "isModifier", "binding",
];

function smallElement(element) {
  const small = pick(element, ELEMENT_PARTS);
  for (const name of Object.keys(element))
    if (/^(fixed|pattern|minValue|maxValue)/.test(name)) small[name] = element[name];
  if (small.type) small.type = small.type.map((t) => pick(t, ["code", "profile", "targetProfile"]));
  if (small.constraint)
    small.constraint = small.constraint.map((c) =>
      pick(c, ["key", "severity", "human", "expression", "source"]),
    );
  if (small.binding) small.binding = pick(small.binding, ["extension", "strength", "valueSet"]);
  if (GROWING.includes(small.binding?.valueSet)) small.binding.strength = "extensible";
  return small;
}

// What the specification itself defines on top of its types, a line of JSON each:
// differentials, without what only people read.
function makeProfiles(bundles) {
  const all = {};
  for (const r of [...bundles["profiles-others"], ...bundles.extensions, ...bundles.types]) {
    if (r.resourceType !== "StructureDefinition" || r.derivation !== "constraint") continue;
    const small = pick(r, [
      "resourceType", "url", "version", "kind", "abstract", "context", "type", "baseDefinition",
      "derivation",
    ]);
    const more = CONTEXTS[r.url.slice(PROFILE.length)];
    if (more) small.context = [...small.context, { type: "element", expression: more }];
    small.differential = { element: r.differential.element.map(smallElement) };
    all[r.url] = JSON.stringify(small);
  }
  return Object.keys(all).sort(byName).map((key) => all[key]);
}

// ---- invariants ----

// Each where it is defined: on a type, on an element with parts (a type of its
// own), or on a plain element of a type.
function invariantsOf(definition) {
  const elements = definition.snapshot.element;
  const parents = new Set(elements.map((e) => e.path.slice(0, e.path.lastIndexOf("."))));
  const lines = [];
  for (const e of elements)
    for (const c of e.constraint ?? []) {
      const isOwn = !c.source || c.source === definition.url;
      if (!isOwn || !c.expression) continue;
      const cut = e.path.lastIndexOf(".");
      const isType = e.path === definition.name || (parents.has(e.path) && e.type?.length === 1);
      const place = isType
        ? e.path
        : `${e.path.slice(0, cut)} ${e.path.slice(cut + 1).replace("[x]", "")}`;
      const flat = (text) => text.replace(/\s+/g, " ").trim();
      lines.push(
        `invariant ${c.key} ${c.severity} ${place}`,
        `  human ${flat(c.human)}`,
        `  expression ${flat(RULES[c.key] ?? c.expression)}`,
      );
    }
  return lines;
}

function jsonName(element, type) {
  const name = element.path.slice(element.path.lastIndexOf(".") + 1);
  return name.replace("[x]", type.code[0].toUpperCase() + type.code.slice(1));
}

// Rules of the profiles that elements ask of their types (SimpleQuantity): as rules of
// the elements.
function invariantsOfProfiles(definition, profiles) {
  const lines = [];
  for (const e of definition.snapshot.element)
    for (const t of e.type ?? [])
      for (const url of t.profile ?? [])
        for (const c of profiles[url].differential.element.flatMap((d) => d.constraint ?? []))
          lines.push(
            `invariant ${c.key} ${c.severity} ` +
              `${e.path.slice(0, e.path.lastIndexOf("."))} ${jsonName(e, t)} ` +
              profiles[url].name,
            `  human ${c.human.replace(/\s+/g, " ").trim()}`,
            `  expression ${c.expression}`,
          );
  return lines;
}

function makeInvariants(bundles) {
  const profiles = Object.fromEntries(
    bundles.types.filter((d) => d.derivation === "constraint").map((d) => [d.url, d]),
  );
  const all = [...bundles.types, ...bundles.resources].filter(
    (d) =>
      d.resourceType === "StructureDefinition" &&
      d.derivation !== "constraint" &&
      d.kind !== "logical",
  );
  all.sort((a, b) => byName(a.name, b.name));
  return [
    ...header("Invariants."),
    ...all.flatMap(invariantsOf),
    ...all.flatMap((d) => invariantsOfProfiles(d, profiles)),
  ];
}

// ---- compartments ----

function makeCompartments(folder) {
  const lines = header("Compartments.");
  for (const id of COMPARTMENTS) {
    const file = join(folder, `CompartmentDefinition-${id}.json`);
    const definition = JSON.parse(readFileSync(file, "utf8"));
    lines.push(`compartment ${definition.code}`);
    for (const r of definition.resource)
      if (r.param?.length) lines.push(`  ${r.code} ${r.param.join(" ")}`);
  }
  return lines;
}

function main(out, given) {
  const fetched = given ? { folder: given } : fetchPackage();
  const bundles = {};
  for (const name of BUNDLES) {
    const file = join(fetched.folder, `Bundle-${name}.json`);
    bundles[name] = JSON.parse(readFileSync(file, "utf8")).entry.map((e) => e.resource);
  }
  const types = makeTypes(bundles);
  const files = {
    "types.txt": types,
    "valuesets.txt": makeValueSets(bundles, types),
    "params.txt": makeParams(bundles),
    "invariants.txt": makeInvariants(bundles),
    "compartments.txt": makeCompartments(fetched.folder),
    "terminology.ndjson": makeTerminology(bundles),
    "profiles.ndjson": makeProfiles(bundles),
  };
  for (const [name, lines] of Object.entries(files))
    writeFileSync(join(out, name), lines.join("\n") + "\n");
  if (fetched.remove) rmSync(fetched.remove, { recursive: true });
}

if (process.argv.length < 3) {
  process.stderr.write("usage: make-spec.mjs OUT [PACKAGE]\n");
  process.exit(2);
}
main(process.argv[2], process.argv[3]);
