import { type IncomingHttpHeaders, request } from 'node:http';

export interface Answer<T = unknown> {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body, taken at its word: what it holds is for the case to assert. Undefined when it is not JSON. */
  readonly body: T;
}

/**
 * One HTTP exchange on a connection of its own. Real services close kept-alive connections without warning, and idle ones
 * occupy their threads.
 * @throws Error when no answer comes in 60 s or the connection breaks.
 */
export function exchange<T>(
  method: string,
  url: string,
  headers: Record<string, string>,
  json?: unknown,
): Promise<Answer<T>> {
  const payload = json === undefined ? undefined : Buffer.from(JSON.stringify(json));
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method,
        agent: false,
        timeout: 60_000,
        headers: {
          accept: 'application/json',
          connection: 'close',
          ...(payload && { 'content-type': 'application/json', 'content-length': String(payload.length) }),
          ...headers,
        },
      },
      (got) => {
        const chunks: Buffer[] = [];
        got.on('data', (chunk: Buffer) => chunks.push(chunk));
        got.on('error', reject);
        got.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({ method, url, status: got.statusCode ?? 0, headers: got.headers, text, body: parsed(text) as T });
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`${method} ${url}: no answer in 60 s`)));
    sent.on('error', reject);
    sent.end(payload);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
