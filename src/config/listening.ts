import { ConfigError } from './problems.ts';

/** Codes of node:net for an address that cannot be listened on: which key of the section is meant, and what to do. */
const NO_LISTENING: Readonly<Record<string, { key: 'host' | 'port'; problem: string; remedy: string }>> = {
  EADDRINUSE: {
    key: 'port',
    problem: 'something else listens on this port',
    remedy: 'End it (is there another Ephyra on this machine?), or write another port.',
  },
  EACCES: {
    key: 'port',
    problem: 'this user may not listen on this port',
    remedy: 'Write a port from 1024 on.',
  },
  EADDRNOTAVAIL: {
    key: 'host',
    problem: 'is no address of this machine',
    remedy: 'Write one of its addresses, or 0.0.0.0 for all of them.',
  },
  ENOTFOUND: {
    key: 'host',
    problem: 'this name has no address',
    remedy: 'Write an IP address, e.g. 127.0.0.1.',
  },
};

/**
 * For `catch` of what listens where the section `section` of the configuration says. Throws in any case: a ConfigError that
 * names key, value and remedy, or what it was given.
 */
export function cannotListen(
  file: string,
  section: string,
  { host, port }: { readonly host?: string; readonly port?: number | undefined },
): (error: unknown) => never {
  return (error) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const words = NO_LISTENING[code];
    if (words === undefined) throw error;
    const { key, problem, remedy } = words;
    const value = String(key === 'port' ? port : host);
    throw new ConfigError(file, [{ path: `${section}.${key}`, value, problem, remedy, line: null }]);
  };
}
