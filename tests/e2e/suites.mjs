// suites.mjs - what the outside suites' runners share: one line for each case.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib.mjs';

/**
 * The cases of a suite. tests/golden/NAME-known.txt lists those that do not pass, each
 * with its reason ("case | reason"): one that fails and is not listed fails the run, so
 * does one that is listed and passes, and one that is listed and not run. The verdict on
 * each case is left in build/suites/NAME.txt.
 */
export class Report {
  constructor(name) {
    Object.assign(this, { name, cases: new Map() });
    const file = join(root, 'tests/golden', `${name}-known.txt`);
    this.known = new Map(!existsSync(file) ? [] : readFileSync(file, 'utf8').split('\n')
      .filter((l) => l.trim() && !l.startsWith('#')).map((l) => l.split(' | ')).map(([c, why]) => [c.trim(), why]));
  }
  /** `wrong`: what does not hold, or nothing. */
  add(name, wrong, note) {
    assert.ok(!this.cases.has(name), `the case ${name} is there twice`);
    this.cases.set(name, { wrong, note });
  }
  finish(t) {
    const lines = [], bad = [];
    let passed = 0, explained = 0;
    for (const [name, { wrong, note }] of this.cases) {
      const why = this.known.get(name);
      if (!wrong && !why) passed++;
      else if (wrong && why) explained++;
      else if (wrong) bad.push(`${name}: ${wrong}`);
      else bad.push(`${name}: passes; take it off the list of known ones`);
      lines.push(`${wrong ? (why ? 'explained' : 'FAILED') : 'passed'}\t${name}${why ? `\t${why}` : ''}${wrong ? `\t${wrong.replace(/\s+/g, ' ').slice(0, 600)}` : ''}${note ? `\t${note}` : ''}`);
    }
    for (const name of this.known.keys()) if (!this.cases.has(name)) bad.push(`${name}: is listed, but there is no such case`);
    const folder = join(root, 'build/suites');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${this.name}.txt`), `${lines.join('\n')}\n`);
    t.diagnostic(`${this.name}: ${this.cases.size} cases, ${passed} passed, ${explained} explained, ${bad.length} wrong`);
    assert.equal(bad.length, 0, `${bad.length} cases of ${this.name}\n   ${bad.slice(0, 40).join('\n   ').slice(0, 12000)}`);
  }
}
