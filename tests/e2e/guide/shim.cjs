// shim.cjs - loaded with --require before the guide's code, which stays as it
// is: sends api.flexpa.com to the sandbox (FLEXPA_API_BASE) and signs requests
// to HEALTHLAKE_ENDPOINT that carry no Authorization, since the guide calls a
// function getAuthHeaders() that it never defines and that gets no URL.
const { SignatureV4 } = require('@smithy/signature-v4');
const { HttpRequest } = require('@smithy/protocol-http');
const { Sha256 } = require('@aws-crypto/sha256-js');

const real = globalThis.fetch;
const flexpa = 'https://api.flexpa.com';

async function sign(url, options) {
  const u = new URL(url);
  const signer = new SignatureV4({
    credentials: {
      accessKeyId: process.env.AWS_ACCESS_KEY_ID,
      secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
    },
    region: process.env.AWS_REGION, service: 'healthlake', sha256: Sha256,
  });
  const query = {};
  for (const [name, value] of u.searchParams) query[name] = value;
  const signed = await signer.sign(new HttpRequest({
    method: options.method ?? 'GET', hostname: u.hostname, port: Number(u.port), path: u.pathname,
    query, headers: { host: u.host },
  }));
  return real(url, { ...options, headers: signed.headers });
}

globalThis.fetch = (url, options = {}) => {
  if (typeof url === 'string' && url.startsWith(flexpa))
    return real(process.env.FLEXPA_API_BASE + url.slice(flexpa.length), options);
  const names = Object.keys(options.headers ?? {}).map((n) => n.toLowerCase());
  if (String(url).startsWith(process.env.HEALTHLAKE_ENDPOINT) && !names.includes('authorization'))
    return sign(url, options);
  return real(url, options);
};
