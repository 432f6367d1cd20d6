import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { STEPS } from '../../../machines/domain.ts';
import { formatDuration, loadConfig } from '../../../src/config/index.ts';
import { fileSchema } from '../../../src/config/schema.ts';
import { ENV, LEAST, load, SLACK } from './support.ts';

const PATH = fileURLToPath(new URL('../../../ephyra.example.yml', import.meta.url));
const TEXT = readFileSync(PATH, 'utf8');

/** What the comments of the example claim: key to default, as written; a bare "default" means the value shown. */
function claims(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of TEXT.split('\n')) {
    const match = /^\s*(?:# )?(\w+): *([^#]*?) *#[^#]*?(?<!")\bdefault\b([^#]*)$/.exec(line);
    const [, key, shown, behind] = match ?? [];
    if (key === undefined || shown === undefined || behind === undefined) continue;
    const claim = /^ ([^:;]\S*?(?:, \d+m?s)?)(?:[:;)]? .*)?$/.exec(behind)?.[1];
    const place = found[key] === undefined ? key : `${key} (again)`;
    found[place] = claim ?? shown;
  }
  return found;
}

describe('the example configuration', () => {
  test('loads without problems and without warnings', () => {
    const config = loadConfig({ path: PATH, env: ENV });
    expect(config.controlPlanes.map((entry) => entry.name)).toEqual(['cp1', 'cp2']);
    expect(config.roles.map((role) => role.name)).toEqual(['hadoop-worker', 'hadoop-master']);
    expect(config.roles[0]?.boot['cp2']).toEqual({
      flavor: 'bm.hadoop-worker',
      image: 'hadoop-image',
      networks: ['tenant-net'],
      keyPair: 'ops',
      configDrive: false,
      userData: null,
      metadata: {},
    });
    expect(config.deployment).toMatchObject({ maxUnavailable: 2, soakMs: 30_000, pollMs: 10_000 });
    expect(config.slack?.mode).toBe('socket');
    expect(config.store).toBe('/var/lib/ephyra/ephyra.json');
    expect(config.warnings).toEqual([]);
  });

  test('documents the defaults that hold', () => {
    const config = load(LEAST + SLACK);
    const { deployment, slack, http, log } = config;
    const retries = deployment.retries;
    expect(claims()).toEqual({
      bmcSecrets: config.controlPlanes[0]?.bmcSecrets,
      maxUnavailable: `${deployment.maxUnavailable}`,
      extra: deployment.failureDomain.extra,
      canary: `${deployment.canary}`,
      soak: formatDuration(deployment.soakMs),
      failureBudget: `${deployment.failureBudget}`,
      nodeAttempts: `${deployment.nodeAttempts}`,
      required: `${deployment.approval.required}`,
      allowSelf: `${deployment.approval.allowSelf}`,
      expires: formatDuration(deployment.approval.expiresMs),
      poll: formatDuration(deployment.pollMs),
      verify: `${deployment.verify.checks}, ${formatDuration(deployment.verify.intervalMs)}`,
      retries: `{ attempts: ${retries.attempts}, backoff: ${formatDuration(retries.backoffMs)}, maxBackoff: ${formatDuration(retries.maxBackoffMs)} }`,
      lease: formatDuration(deployment.leaseMs),
      port: `${slack?.port}`,
      apiUrl: slack?.apiUrl,
      store: './data/ephyra.json',
      http: `${http.host}:${http.port}`,
      log: log.level,
    });
    expect(config.store).toBe('/etc/ephyra/data/ephyra.json');
    expect(config.roles[0]?.maxUnavailable).toBeNull();
    expect(deployment.failureDomain.maxUnavailable).toBeNull();
  });

  test('shows the default deadline of every step', () => {
    const shown = (parse(TEXT) as { deployment: { deadlines: Record<string, string> } }).deployment.deadlines;
    const { deadlinesMs } = load(LEAST).deployment;
    expect(Object.keys(shown)).toEqual([...STEPS]);
    expect(Object.entries(shown)).toEqual(STEPS.map((step) => [step, formatDuration(deadlinesMs[step])]));
  });

  test('mentions every key that there is', () => {
    const keys = new Set<string>();
    const walk = (schema: z.core.$ZodType): void => {
      if (schema instanceof z.ZodObject) {
        for (const [key, inner] of Object.entries(schema.shape)) {
          keys.add(key);
          walk(inner);
        }
      } else if (schema instanceof z.ZodRecord) {
        walk(schema.valueType);
      } else if ('unwrap' in schema && typeof schema.unwrap === 'function') {
        walk(schema.unwrap());
      }
    };
    walk(fileSchema);
    expect(keys.size).toBeGreaterThan(50);
    expect([...keys].filter((key) => !new RegExp(`\\b${key}: *`).test(TEXT))).toEqual([]);
  });
});
