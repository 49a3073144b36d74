// s3.test.mjs - import and export jobs over HTTP: against s3rver, an S3 server that
// others wrote, and against a small one of our own that checks signatures with AWS's
// signer (s3rver does not), lists in small pages and fails where it is told to.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as sdk from '@aws-sdk/client-healthlake';
import S3rver from 's3rver';
import { SignatureV4 } from '@smithy/signature-v4';
import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { keys, run, scratch, serve } from './lib.mjs';

const DataAccessRoleArn = 'arn:aws:iam::000000000000:role/job';
const s3Keys = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
let place;

before(() => { place = scratch(); });
after(() => place?.remove());

/** A server whose buckets are at the endpoint. */
async function tarn(name, endpoint, env = {}) {
  const data = join(place.folder, name);
  const server = await serve(data, ['--s3-endpoint', endpoint, '--region', 'us-east-1'],
    { AWS_ACCESS_KEY_ID: s3Keys.accessKeyId, AWS_SECRET_ACCESS_KEY: s3Keys.secretAccessKey, ...env });
  const client = new sdk.HealthLakeClient({ region: 'us-east-1', endpoint: server.origin,
    credentials: keys, maxAttempts: 1 });
  return { ...server, data, client,
    send: (operation, input) => client.send(new sdk[`${operation}Command`](input)) };
}

async function importJob(server, from, to) {
  const { JobId } = await server.send('StartFHIRImportJob', { DatastoreId: server.id,
    DataAccessRoleArn, InputDataConfig: { S3Uri: from },
    JobOutputDataConfig: { S3Configuration: { S3Uri: to, KmsKeyId: 'alias/k' } } });
  return ended(async () => (await server.send('DescribeFHIRImportJob',
    { DatastoreId: server.id, JobId })).ImportJobProperties);
}

async function exportJob(server, to) {
  const { JobId } = await server.send('StartFHIRExportJob', { DatastoreId: server.id,
    DataAccessRoleArn, OutputDataConfig: { S3Configuration: { S3Uri: to, KmsKeyId: 'alias/k' } } });
  return ended(async () => (await server.send('DescribeFHIRExportJob',
    { DatastoreId: server.id, JobId })).ExportJobProperties);
}

async function ended(describe) {
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    const job = await describe();
    if (job.EndTime) return job;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.fail('the job did not end');
}

/** A job's folder goes just behind its end. */
async function emptied(folder) {
  for (const end = Date.now() + 5000; readdirSync(folder).length && Date.now() < end;)
    await new Promise((done) => setTimeout(done, 20));
  assert.deepEqual(readdirSync(folder), []);
}

const patient = (id, more = {}) => JSON.stringify({ resourceType: 'Patient', id, ...more });

// ---- a foreign server ----

const signer = new SignatureV4({ credentials: s3Keys, region: 'us-east-1', service: 's3',
  sha256: Sha256, uriEscapePath: false });

async function object(endpoint, method, path, body) {
  const url = new URL(endpoint);
  const query = path.includes('?')
    ? Object.fromEntries(new URLSearchParams(path.slice(path.indexOf('?') + 1))) : {};
  const [bare] = path.split('?');
  const request = new HttpRequest({ method, protocol: url.protocol, hostname: url.hostname,
    port: Number(url.port), path: bare, query, body,
    headers: { host: url.host,
      'x-amz-content-sha256': createHash('sha256').update(body ?? '').digest('hex') } });
  const signed = await signer.sign(request);
  return fetch(endpoint + path, { method, body, headers: signed.headers });
}

test('jobs read from and write to a foreign S3 server', async () => {
  const foreign = new S3rver({ port: 0, address: '127.0.0.1', silent: true,
    directory: join(place.folder, 's3rver'),
    configureBuckets: [{ name: 'lake', configs: [] }] });
  const { port } = await foreign.run();
  const endpoint = `http://127.0.0.1:${port}`;
  const server = await tarn('foreign', endpoint);
  try {
    // Some keys, one with characters that must be escaped. (s3rver's second page of a
    // list wants a cipher that Node has no more.)
    for (let i = 0; i < 20; i++) {
      const answer = await object(endpoint, 'PUT',
        `/lake/in/${String(i).padStart(4, '0')}.ndjson`, `${patient(`p${i}`)}\n`);
      assert.equal(answer.status, 200);
    }
    await object(endpoint, 'PUT', '/lake/in/zz%20%2B%26%3D%C3%A9.ndjson',
      `${patient('special')}\n{"resourceType":"Patient"}\n`);
    await object(endpoint, 'PUT', '/lake/in/note.txt', 'no resource');
    const job = await importJob(server, 's3://lake/in/', 's3://lake/out');
    assert.equal(job.JobStatus, 'COMPLETED_WITH_ERRORS', JSON.stringify(job));
    assert.equal(job.JobProgressReport.TotalNumberOfScannedFiles, 21);
    assert.equal(job.JobProgressReport.TotalNumberOfResourcesImported, 21);
    assert.equal(job.JobProgressReport.TotalNumberOfResourcesWithCustomerError, 1);
    const folder = `/lake/out/${server.id}-FHIR_IMPORT-${job.JobId}`;
    const manifest = await (await object(endpoint, 'GET', `${folder}/Manifest.json`)).json();
    assert.equal(manifest.numberOfResourcesImportedSuccessfully, 21);
    const failure = await object(endpoint, 'GET', `${folder}/FAILURE/in_zz%20%2B%26%3D%C3%A9.ndjson`);
    assert.match(await failure.text(), /^\{"lineId":2,.*"statusCode":400\}\}\n$/);
    const probe = await object(endpoint, 'GET', '/lake/out/.healthlake_write_access_check_file.temp');
    assert.equal(probe.status, 200);

    // An export of more than one part.
    const note = 'x'.repeat(1_000_000);
    const large = Array.from({ length: 20 }, (_, i) =>
      JSON.stringify({ resourceType: 'Binary', id: `b${i}`, contentType: 'text/plain', data: note }));
    await object(endpoint, 'PUT', '/lake/large/b.ndjson', large.join('\n'));
    assert.equal((await importJob(server, 's3://lake/large/b.ndjson', 's3://lake/out')).JobStatus,
      'COMPLETED');
    const exported = await exportJob(server, 's3://lake/exports/');
    assert.equal(exported.JobStatus, 'COMPLETED', JSON.stringify(exported));
    const base = `/lake/exports/${server.id}-FHIR_EXPORT-${exported.JobId}`;
    const basics = await (await object(endpoint, 'GET', `${base}/Binary/Binary-1-0-0.ndjson`)).text();
    const lines = basics.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(lines.map((l) => l.id).sort(), large.map((l) => JSON.parse(l).id).sort());
    assert.ok(lines.every((l) => l.data === note));
    const patients = await (await object(endpoint, 'GET',
      `${base}/Patient/Patient-1-0-0.ndjson`)).text();
    assert.equal(patients.trimEnd().split('\n').length, 21);

    // What cannot be, ends FAILED with what the server said.
    const nowhere = await importJob(server, 's3://no-such-bucket/in', 's3://lake/out');
    assert.equal(nowhere.JobStatus, 'FAILED');
    assert.match(nowhere.Message, /NoSuchBucket/);
    const nothing = await importJob(server, 's3://lake/nothing', 's3://lake/out');
    assert.match(nothing.Message, /no .ndjson file/);
    assert.equal(nothing.JobStatus, 'FAILED');
    await emptied(join(server.data, 'jobs'));
  } finally {
    await server.stop();
    await foreign.close();
  }
});

test('an endpoint without credentials, or none at all, is refused at the start', async () => {
  const env = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_PROFILE: '',
    HOME: place.folder };
  const data = join(place.folder, 'refused');
  const bare = await run(['serve', '--data', data, '--listen', '127.0.0.1:0',
    '--s3-endpoint', 'http://127.0.0.1:9'], { env });
  assert.notEqual(bare.status, 0);
  assert.match(bare.stderr, /--s3-endpoint: no AWS credentials/);
  const wrong = await run(['serve', '--data', data, '--listen', '127.0.0.1:0',
    '--s3-endpoint', 'ftp://x'], { env });
  assert.match(wrong.stderr, /is no http or https URL/);
  assert.equal(existsSync(data), false);
});

// ---- a server that fails where it is told to ----

/** Does AWS's signer sign the request as it came in the same way? */
async function isSigned(request, url, body) {
  const { authorization = '' } = request.headers;
  const [, names] = authorization.match(/SignedHeaders=([^,]+)/) ?? [];
  if (!names?.split(';').includes('host')) return false;
  if (request.headers['x-amz-content-sha256'] !== createHash('sha256').update(body).digest('hex'))
    return false;
  const date = request.headers['x-amz-date'].replace(
    /^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z');
  const again = await signer.sign(new HttpRequest({ method: request.method, protocol: 'http:',
    hostname: url.hostname, path: request.url.split('?')[0],
    query: Object.fromEntries(url.searchParams),
    headers: Object.fromEntries(names.split(';').map((n) => [n, request.headers[n]])) }),
  { signingDate: new Date(date), signableHeaders: new Set(names.split(';')) });
  return again.headers.authorization === authorization;
}

/** Objects in a map; `faults(request)` may answer first, with [status, body] or 'cut'. */
async function ownS3(faults, tls) {
  const objects = new Map(), parts = new Map(), seen = [];
  const make = tls ? (handler) => createSecureServer(tls, handler) : createServer;
  const http = make(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const url = new URL(request.url, 'http://x'); // its host is not looked at
    const path = decodeURIComponent(url.pathname);
    const what = { method: request.method, path, query: url.searchParams, body };
    seen.push(what);
    const send = (status, text = '', headers = {}) => {
      response.writeHead(status, headers);
      response.end(text);
    };
    if (!(await isSigned(request, url, body)))
      return send(403, '<Error><Code>SignatureDoesNotMatch</Code></Error>');
    const fault = faults(what);
    if (fault === 'cut') return response.socket.destroy();
    if (fault === 'short') {
      response.writeHead(200, { 'content-length': 1000 });
      response.write('{"resourceType":"Patient","id":"half"}\n');
      return setTimeout(() => response.socket.destroy(), 20);
    }
    if (fault) return send(...fault);
    if (request.method === 'GET' && url.searchParams.has('list-type')) {
      const bucket = `${path.replace(/\/$/, '')}/`;
      const all = [...objects.keys()].filter((k) => k.startsWith(bucket)
        && k.slice(bucket.length).startsWith(url.searchParams.get('prefix'))).sort();
      const from = Number((url.searchParams.get('continuation-token') ?? 'a+/=0').slice(4));
      const page = all.slice(from, from + 400), more = from + 400 < all.length;
      return send(200, `<ListBucketResult><IsTruncated>${more}</IsTruncated>${
        more ? `<NextContinuationToken>a+/=${from + 400}</NextContinuationToken>` : ''}${
        page.map((k) => `<Contents><Key>${k.slice(bucket.length).replace(/&/g, '&amp;')
          .replace(/</g, '&#60;')}</Key><Size>1</Size></Contents>`).join('')}</ListBucketResult>`);
    }
    if (request.method === 'GET')
      return objects.has(path) ? send(200, objects.get(path))
        : send(404, '<Error><Code>NoSuchKey</Code></Error>');
    if (request.method === 'POST' && url.searchParams.has('uploads'))
      return send(200, '<InitiateMultipartUploadResult><UploadId>u &amp; 1</UploadId>'
        + '</InitiateMultipartUploadResult>');
    if (request.method === 'PUT' && url.searchParams.has('partNumber')) {
      parts.set(Number(url.searchParams.get('partNumber')), body);
      return send(200, '', { etag: `"e${url.searchParams.get('partNumber')}"` });
    }
    if (request.method === 'POST') {
      const numbers = [...body.toString().matchAll(/<PartNumber>(\d+)</g)].map((m) => Number(m[1]));
      objects.set(path, Buffer.concat(numbers.map((n) => parts.get(n))));
      return send(200, '<CompleteMultipartUploadResult/>');
    }
    if (request.method === 'PUT') objects.set(path, body);
    return send(request.method === 'DELETE' ? 204 : 200);
  });
  await new Promise((done) => http.listen(0, '127.0.0.1', done));
  return { objects, seen, endpoint: `http${tls ? 's' : ''}://127.0.0.1:${http.address().port}`,
    close: () => { http.closeAllConnections(); http.close(); } };
}

test('lists are read page by page, and every request has a signature that AWS would make', async () => {
  const s3 = await ownS3(() => undefined);
  for (let i = 0; i < 1000; i++)
    s3.objects.set(`/lake/in/${i}.ndjson`, Buffer.from(`${patient(`p${i}`)}\n`));
  s3.objects.set('/lake/in/a b+c&d<e>=é/~*\'().ndjson', Buffer.from(`${patient('odd')}\n`));
  const server = await tarn('pages', s3.endpoint);
  const stranger = await serve(join(place.folder, 'wrong'), ['--s3-endpoint', s3.endpoint],
    { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'wrong' });
  try {
    const job = await importJob(server, 's3://lake/in/', 's3://lake/out');
    assert.equal(job.JobStatus, 'COMPLETED', JSON.stringify(job));
    assert.equal(job.JobProgressReport.TotalNumberOfScannedFiles, 1001);
    assert.equal(job.JobProgressReport.TotalNumberOfResourcesImported, 1001);
    const client = new sdk.HealthLakeClient({ region: 'us-east-1', endpoint: stranger.origin,
      credentials: keys, maxAttempts: 1 });
    const refused = await importJob({ ...stranger,
      send: (operation, input) => client.send(new sdk[`${operation}Command`](input)) },
    's3://lake/in', 's3://lake/out');
    assert.equal(refused.JobStatus, 'FAILED');
    assert.match(refused.Message, /403 SignatureDoesNotMatch/);
  } finally {
    await server.stop();
    await stranger.stop();
    s3.close();
  }
});

test('an endpoint of https is believed by AWS_CA_BUNDLE, and not without', async (t) => {
  const key = join(place.folder, 'key.pem'), cert = join(place.folder, 'cert.pem');
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key,
    '-out', cert, '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']);
  if (made.status !== 0) return t.skip('no openssl');
  const s3 = await ownS3(() => undefined, { key: readFileSync(key), cert: readFileSync(cert) });
  s3.objects.set('/lake/in/a.ndjson', Buffer.from(`${patient('a')}\n`));
  const server = await tarn('tls', s3.endpoint, { AWS_CA_BUNDLE: cert });
  const stranger = await tarn('tls-stranger', s3.endpoint);
  try {
    const job = await importJob(server, 's3://lake/in', 's3://lake/out');
    assert.equal(job.JobStatus, 'COMPLETED', JSON.stringify(job));
    const refused = await importJob(stranger, 's3://lake/in', 's3://lake/out');
    assert.equal(refused.JobStatus, 'FAILED');
    assert.match(refused.Message, /TLS|certificate/i);
  } finally {
    await server.stop();
    await stranger.stop();
    s3.close();
  }
});

test("credentials of a profile's process are asked for at each job", async () => {
  const s3 = await ownS3(() => undefined);
  s3.objects.set('/lake/in/a.ndjson', Buffer.from(`${patient('a')}\n`));
  const config = join(place.folder, 'aws-config'), answer = join(place.folder, 'process.json');
  const say = (secret) => writeFileSync(answer, JSON.stringify({ Version: 1,
    AccessKeyId: s3Keys.accessKeyId, SecretAccessKey: secret, SessionToken: 'token' }));
  writeFileSync(config, `[profile lake]\ncredential_process = cat ${answer}\n`);
  say('wrong');
  const server = await tarn('process', s3.endpoint, { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '',
    AWS_PROFILE: 'lake', AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: '/dev/null' });
  try {
    const early = await importJob(server, 's3://lake/in', 's3://lake/out');
    assert.match(early.Message, /403 SignatureDoesNotMatch/);
    say(s3Keys.secretAccessKey);
    const job = await importJob(server, 's3://lake/in', 's3://lake/out');
    assert.equal(job.JobStatus, 'COMPLETED', JSON.stringify(job));
    writeFileSync(answer, 'nothing');
    const late = await importJob(server, 's3://lake/in', 's3://lake/out');
    assert.equal(late.JobStatus, 'FAILED');
    assert.match(late.Message, /No credentials for the S3 endpoint/);
  } finally {
    await server.stop();
    s3.close();
  }
});

test('what passes by itself is tried again, and a broken transfer stores nothing twice', async () => {
  const left = { list: 1, get: 1, short: 1, put: 2 };
  const s3 = await ownS3(({ method, path, query }) => {
    if (query.has('list-type') && left.list-- > 0) return [503, '<Error><Code>SlowDown</Code></Error>'];
    if (method === 'GET' && path.endsWith('.ndjson')) {
      if (left.get-- > 0) return 'cut';
      if (left.short-- > 0) return 'short';
    }
    if (method === 'PUT' && path.endsWith('Manifest.json') && left.put-- > 0) return [500, ''];
    return undefined;
  });
  s3.objects.set('/lake/in/a.ndjson', Buffer.from(`${patient('a')}\n${patient('b')}\n`));
  const server = await tarn('faults', s3.endpoint);
  try {
    const job = await importJob(server, 's3://lake/in', 's3://lake/out');
    assert.equal(job.JobStatus, 'COMPLETED', JSON.stringify(job));
    assert.equal(job.JobProgressReport.TotalNumberOfResourcesImported, 2);
    const folder = `/lake/out/${server.id}-FHIR_IMPORT-${job.JobId}`;
    assert.equal(s3.objects.get(`${folder}/SUCCESS/in_a.ndjson`).toString(),
      '{"lineId":1,"UpdateResourceResponse":{"statusCode":201}}\n'
      + '{"lineId":2,"UpdateResourceResponse":{"statusCode":201}}\n');
    assert.ok(Object.values(left).every((n) => n <= 0));
  } finally {
    await server.stop();
    s3.close();
  }
});

test('a multipart upload that fails at its end is aborted and the job FAILED', async () => {
  let refuse = true;
  const s3 = await ownS3(({ method, query }) =>
    (refuse && method === 'POST' && query.has('uploadId')
      ? [200, '<?xml version="1.0"?>\n<Error><Code>InternalError</Code><Message>try &lt;later&gt;'
        + '</Message></Error>'] : undefined));
  const note = 'y'.repeat(4_000_000);
  s3.objects.set('/lake/in/a.ndjson', Buffer.from(Array.from({ length: 5 }, (_, i) =>
    JSON.stringify({ resourceType: 'Binary', id: `b${i}`, contentType: 'text/plain', data: note })).join('\n')));
  const server = await tarn('multipart', s3.endpoint);
  try {
    assert.equal((await importJob(server, 's3://lake/in', 's3://lake/out')).JobStatus, 'COMPLETED');
    const job = await exportJob(server, 's3://lake/out');
    assert.equal(job.JobStatus, 'FAILED');
    assert.match(job.Message, /InternalError/);
    assert.ok(s3.seen.some((r) => r.method === 'DELETE' && r.query.get('uploadId') === 'u & 1'));
    refuse = false;
    const again = await exportJob(server, 's3://lake/out');
    assert.equal(again.JobStatus, 'COMPLETED');
    const whole = s3.objects.get(`/lake/out/${server.id}-FHIR_EXPORT-${again.JobId}/Binary/Binary-1-0-0.ndjson`);
    assert.equal(whole.toString().trimEnd().split('\n').length, 5);
  } finally {
    await server.stop();
    s3.close();
  }
});

test('answers that are no S3 end the job and nothing else', async () => {
  const lists = ['', 'x', '<Contents>', '<Contents></Contents>', '<Contents><Key>&bad;</Key></Contents>',
    '<IsTruncated>true</IsTruncated>',
    '<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>',
    `<Contents><Key>${'k'.repeat(2000)}.ndjson</Key></Contents>`,
    '<Contents><Key>../../etc/passwd.ndjson</Key></Contents>',
    '<'.repeat(1_000_000), `${'<Contents>'.repeat(500_000)}`];
  let answer = '';
  const s3 = await ownS3(({ query }) => (query.has('list-type') ? [200, answer] : undefined));
  const server = await tarn('hostile', s3.endpoint);
  try {
    for (answer of lists) {
      const job = await importJob(server, 's3://lake/in', 's3://lake/out');
      assert.equal(job.JobStatus, 'FAILED', answer.slice(0, 100));
      assert.ok(job.Message, answer.slice(0, 100));
    }
  } finally {
    await server.stop();
    s3.close();
  }
});
