import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import axios from 'axios';
import { type HadoopOptions, readSecret } from './schema.ts';

/** Asked, and no trustworthy answer: the message says why, without secrets. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** One GET that must answer 200 with JSON. Throws {@link NoAnswer} otherwise. */
export type GetJson = (url: string) => Promise<unknown>;

const LARGEST_ANSWER = 64 * 1024 * 1024;

/** The HTTP client of the plugin. Throws at once when a secret or CA file cannot be read. */
export function httpClient(options: HadoopOptions['http']): GetJson {
  const auth =
    options.basic === undefined
      ? {}
      : { auth: { username: options.basic.username, password: readSecret(options.basic.password) } };
  const client = axios.create({
    timeout: options.timeout,
    // Each look is seconds after the last: a kept connection would only be one more thing that can be stale.
    httpAgent: new HttpAgent({ keepAlive: false }),
    httpsAgent: new HttpsAgent({
      keepAlive: false,
      rejectUnauthorized: options.verify,
      ...(options.caFile === undefined ? {} : { ca: readFileSync(options.caFile) }),
    }),
    // A standby redirects to the active one by a name of its own choosing; we ask all of them ourselves.
    maxRedirects: 0,
    maxContentLength: LARGEST_ANSWER,
    proxy: false,
    responseType: 'text',
    transformResponse: (text: unknown) => text,
    validateStatus: () => true,
    headers: { Accept: 'application/json' },
    ...(options.userName === undefined ? {} : { params: { 'user.name': options.userName } }),
    ...auth,
  });
  return async (url) => {
    const where = new URL(url).host;
    const answer = await client
      .get<string>(url, { signal: AbortSignal.timeout(options.timeout) })
      .catch((error: unknown) => {
        throw new NoAnswer(`${where}: ${reasonOf(error, options.timeout)}`);
      });
    if (answer.status === 401 || answer.status === 403) {
      throw new NoAnswer(
        `${where}: HTTP ${answer.status}: it wants to know who asks; set http.userName or http.basic (Kerberos is not supported)`,
      );
    }
    if (answer.status !== 200) throw new NoAnswer(`${where}: HTTP ${answer.status}`);
    try {
      return JSON.parse(answer.data) as unknown;
    } catch {
      throw new NoAnswer(`${where}: the answer is not JSON`);
    }
  };
}

function reasonOf(error: unknown, timeoutMs: number): string {
  if (!axios.isAxiosError(error)) return error instanceof Error ? error.message : String(error);
  if (error.code === 'ECONNABORTED' || error.code === 'ERR_CANCELED' || error.code === 'ETIMEDOUT') {
    return `no answer within ${timeoutMs / 1000} s`;
  }
  return error.code ?? error.message;
}
