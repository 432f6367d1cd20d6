import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import axios, { type AxiosAdapter, AxiosHeaders } from 'axios';
import type { TlsConfig, Transport } from './http.ts';

/**
 * The default transport. Connections are closed after use: OpenStack's WSGI servers drop idle ones without warning, and
 * each one kept open holds one of the server's green threads (seen: about 100 of them froze Neutron for good).
 * Redirects are answers, not followed: a token must not travel to another host.
 */
export function axiosTransport(adapter?: AxiosAdapter): Transport {
  const agents = new Map<TlsConfig, { httpAgent: HttpAgent; httpsAgent: HttpsAgent }>();
  const agentsFor = (tls: TlsConfig) => {
    const known = agents.get(tls);
    if (known) return known;
    const made = {
      httpAgent: new HttpAgent({ keepAlive: false }),
      httpsAgent: new HttpsAgent({
        keepAlive: false,
        rejectUnauthorized: tls.verify,
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
        ...(tls.cert === undefined ? {} : { cert: tls.cert }),
        ...(tls.key === undefined ? {} : { key: tls.key }),
      }),
    };
    agents.set(tls, made);
    return made;
  };

  return async ({ method, url, headers, body, signal, tls }) => {
    const sent = axios.request<string>({
      method,
      url,
      headers: { ...headers },
      ...(body === undefined ? {} : { data: body }),
      signal,
      ...agentsFor(tls),
      ...(adapter === undefined ? {} : { adapter }),
      responseType: 'text',
      transformResponse: [(data: unknown) => data],
      transformRequest: [(data: unknown) => data],
      transitional: { forcedJSONParsing: false, silentJSONParsing: true, clarifyTimeoutError: false },
      maxRedirects: 0,
      maxContentLength: Number.POSITIVE_INFINITY,
      maxBodyLength: Number.POSITIVE_INFINITY,
      validateStatus: () => true,
    });
    const response = await sent.catch((thrown: unknown) => {
      throw withoutRequest(thrown);
    });
    return {
      status: response.status,
      headers: lowerCased(response.headers),
      body: typeof response.data === 'string' ? response.data : JSON.stringify(response.data ?? ''),
    };
  };
}

/** Axios hangs the whole request, token included, on its errors: keep the code and the words only. */
function withoutRequest(thrown: unknown): Error {
  const { message, code } = (thrown ?? {}) as { message?: unknown; code?: unknown };
  const plain = new Error(typeof message === 'string' ? message : 'the connection failed');
  return typeof code === 'string' ? Object.assign(plain, { code }) : plain;
}

function lowerCased(headers: unknown): Record<string, string> {
  const plain = headers instanceof AxiosHeaders ? headers.toJSON(true) : ((headers ?? {}) as Record<string, unknown>);
  return Object.fromEntries(Object.entries(plain).map(([name, value]) => [name.toLowerCase(), String(value)]));
}
