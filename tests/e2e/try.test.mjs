// The README's first command, as users have it run: again while the first run's
// servers still live, from another folder, and in a shell that has AWS set up.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../scripts/try.sh', import.meta.url));

const freePort = () => new Promise((done) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
        const { port } = server.address();
        server.close(() => done(String(port)));
    });
});

const run = (env, ...args) => new Promise((done) => {
    execFile(script, args, { cwd: os.tmpdir(), env, timeout: 280000 }, (error, stdout, stderr) =>
        done({ status: error ? error.code ?? 1 : 0, text: stdout + stderr }));
});

test('try.sh runs again over its own servers, whatever AWS variables the shell has', async () => {
    const place = await mkdtemp(path.join(os.tmpdir(), 'tarn-try-'));
    const env = {
        ...process.env, TARN_TRY_DIR: path.join(place, 'run'), TARN_PORT: await freePort(),
        FLEXPA_PORT: await freePort(), AWS_REGION: 'eu-west-1', AWS_SESSION_TOKEN: 'a',
        AWS_PROFILE: 'none', TARN_ROOT_ACCESS_KEY_ID: 'AK', TARN_ROOT_SECRET_ACCESS_KEY: 'SK',
    };
    delete env.MAKEFLAGS;
    delete env.MAKELEVEL;
    try {
        for (let turn = 0; turn < 3; turn++) {
            const { status, text } = await run(env);
            assert.equal(status, 0, text);
            assert.match(text, /all is stored/);
        }
    } finally {
        const { status, text } = await run(env, '--stop');
        assert.equal(status, 0, text);
        await rm(place, { recursive: true, force: true });
    }
});

test('try.sh says which port is taken and leaves nothing running', async () => {
    const place = await mkdtemp(path.join(os.tmpdir(), 'tarn-try-'));
    const holder = net.createServer();
    await new Promise((done) => holder.listen(0, '127.0.0.1', done));
    const env = {
        ...process.env, TARN_TRY_DIR: path.join(place, 'run'),
        TARN_PORT: String(holder.address().port), FLEXPA_PORT: await freePort(),
    };
    delete env.MAKEFLAGS;
    try {
        const { status, text } = await run(env);
        assert.equal(status, 1, text);
        assert.match(text, /Set TARN_PORT, FLEXPA_PORT/);
        await assert.rejects(fetch(`http://127.0.0.1:${env.FLEXPA_PORT}/fhir/metadata`));
    } finally {
        await run(env, '--stop');
        holder.close();
        await rm(place, { recursive: true, force: true });
    }
});
