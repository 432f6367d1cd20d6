import { request } from 'node:http';
import type { PostToApp } from './deliveries.ts';

/** Every address that is this machine itself. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname === '::1' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** POSTs to the app, on this machine only: the sandbox sends nothing elsewhere, whatever it is configured with. */
export const postToLoopback: PostToApp = (address, headers, body) => {
  const url = new URL(address);
  if (!isLoopback(url.hostname))
    return Promise.reject(new Error(`request URL: "${url.host}" is not a loopback address`));
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body), 'user-agent': 'Slackbot 1.0' },
      },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('error', reject);
        reply.on('end', () => {
          const entries = Object.entries(reply.headers).map(([name, value]): [string, string] => [name, String(value)]);
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({ status: reply.statusCode ?? 0, headers: Object.fromEntries(entries), body: text });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
};
