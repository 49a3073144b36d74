// lib.mjs - start and stop build/tarn for the end-to-end tests.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const tarn = process.env.TARN ?? join(root, 'build/tarn');
export const keys = {
  accessKeyId: 'AKIDTARNE2ETESTS',
  secretAccessKey: 'a-secret-of-the-end-to-end-tests',
};

/** The outside data folder, or undefined; with CI=true its absence fails. */
export function dataFolder() {
  const folder = process.env.TARN_DATA ?? resolve(root, '../shared/data');
  if (existsSync(folder)) return folder;
  if (process.env.CI === 'true') throw new Error(`no outside data at ${folder}; set TARN_DATA`);
  return undefined;
}

export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), 'tarn-e2e-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Run `tarn ARGS` to its end; resolves to { status, stdout, stderr }. */
export function run(args, options = {}) {
  return new Promise((done) => {
    const child = spawn(tarn, args, { ...options, env: { ...process.env, ...options.env } });
    let stdout = '', stderr = '';
    child.stdout.on('data', (d) => (stdout += d));
    child.stderr.on('data', (d) => (stderr += d));
    child.on('close', (status, signal) => done({ status, signal, stdout, stderr }));
  });
}

/** Start a server verb; resolves when a line of its output matches `ready`. */
async function start(args, ready, env = {}) {
  const child = spawn(tarn, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines = [];
  let stderr = '';
  child.stderr.on('data', (d) => (stderr += d));
  const ended = new Promise((r) => child.on('close', (status, signal) => r({ status, signal })));
  const reader = createInterface({ input: child.stdout });
  await new Promise((done, fail) => {
    reader.on('line', (line) => {
      lines.push(line);
      if (ready.test(line)) done();
    });
    ended.then((e) => fail(new Error(`tarn ${args.join(' ')} ended (${e.status}): ${stderr}`)));
    setTimeout(() => fail(new Error(`tarn ${args.join(' ')} is not ready: ${stderr}`)), 20000).unref();
  });
  return {
    child, lines, ended,
    errors: () => stderr,
    stop: async () => { child.kill('SIGTERM'); return ended; },
  };
}

/** `tarn serve` on a free port. `.endpoint` ends in r4 without a slash. */
export async function serve(data, args = [], env = {}) {
  const place = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const server = await start(['serve', '--data', data, ...place, ...args], /^data store /,
    { TARN_ROOT_ACCESS_KEY_ID: keys.accessKeyId, TARN_ROOT_SECRET_ACCESS_KEY: keys.secretAccessKey, ...env });
  const [, id, url] = server.lines.map((l) => l.match(/^data store (\S+) (\S+)/)).find(Boolean);
  return { ...server, id, endpoint: url.replace(/\/$/, ''), origin: new URL(url).origin };
}

/** `tarn sandbox` on a free port; `.consents` are { user, consent, token }. */
export async function sandbox(args = []) {
  const place = scratch();
  const file = join(place.folder, 'consents');
  const server = await start(['sandbox', '--listen', '127.0.0.1:0', '--consents-file', file, ...args],
    /listening on http/);
  const base = server.lines.map((l) => l.match(/listening on (http\S+)/)).find(Boolean)[1];
  const consents = readFileSync(file, 'utf8').split('\n').filter((l) => l.trim() && !l.startsWith('#'))
    .map((l) => l.split(',').map((s) => s.trim()))
    .map(([user, consent, token]) => ({ user, consent, token }));
  const advance = () => fetch(`${base}/sandbox/advance`, { method: 'POST' });
  return { ...server, base, file, consents, advance,
    stop: async () => { const e = await server.stop(); place.remove(); return e; } };
}
