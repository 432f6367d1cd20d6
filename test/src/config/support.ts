import { type Config, ConfigError, loadConfig, type Problem } from '../../../src/config/index.ts';

export const ENV = { SLACK_BOT_TOKEN: 'xoxb-1-bot', SLACK_APP_TOKEN: 'xapp-1-app', SLACK_SIGNING_SECRET: 'cafe0123' };

/** The least that is a configuration. */
export const LEAST = `
controlPlanes:
  cp1: { cloud: blue }
  cp2: { cloud: green }
roles:
  worker:
    match: { extra: { role: worker } }
    boot:
      default: { flavor: bm, image: img, networks: [net] }
`;

export const SLACK = `
slack:
  mode: socket
  channel: C0123456789
  botToken: { env: SLACK_BOT_TOKEN }
  appToken: { env: SLACK_APP_TOKEN }
  operators: { users: [U0000000001] }
  approvers: { users: [U0000000002] }
`;

export interface World {
  readonly env?: Readonly<Record<string, string>>;
  /** Contents by absolute path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Permission bits by absolute path; 0o600 for the others. */
  readonly modes?: Readonly<Record<string, number>>;
}

export function load(text: string, world: World = {}): Config {
  const files: Readonly<Record<string, string>> = { '/etc/ephyra/ephyra.yml': text, ...world.files };
  return loadConfig({
    path: '/etc/ephyra/ephyra.yml',
    env: world.env ?? ENV,
    readFile: (path) => {
      const content = files[path];
      if (content === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
      return content;
    },
    fileMode: (path) => world.modes?.[path] ?? 0o600,
  });
}

export function errorOf(text: string, world: World = {}): ConfigError {
  try {
    load(text, world);
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown;
    throw thrown;
  }
  throw new Error('the configuration was taken without a word');
}

export function problemsOf(text: string, world: World = {}): readonly Problem[] {
  return errorOf(text, world).problems;
}
