import { describe, expect, test } from 'vitest';
import { ENV, LEAST, load, problemsOf } from './support.ts';

const deployment = (keys: string): string => `${LEAST}\ndeployment: { ${keys} }\n`;

describe('the lease in the configuration', () => {
  test('lasts five minutes, and thirty seconds at least', () => {
    expect(load(LEAST).deployment.leaseMs).toBe(300_000);
    expect(load(deployment('lease: 30s')).deployment.leaseMs).toBe(30_000);
    const [problem] = problemsOf(deployment('lease: 29s'));
    expect(problem).toMatchObject({ path: 'deployment.lease', problem: expect.stringContaining('30s at least') });
    expect(problem?.remedy).toBe('Write 30s or more, e.g. 5m.');
  });

  test('is held in the name of the file, else of the environment, else of the host', () => {
    expect(load(LEAST).deployment.instance).toBeNull();
    const env = { ...ENV, EPHYRA_INSTANCE: 'from-env' };
    expect(load(LEAST, { env }).deployment.instance).toBe('from-env');
    expect(load(deployment('instance: from-file'), { env }).deployment.instance).toBe('from-file');
    expect(load(LEAST, { env: { ...ENV, EPHYRA_INSTANCE: ' ' } }).deployment.instance).toBeNull();
  });

  test.each(['two words', '-dash', 'a'.repeat(65), ''])('is not held in the name "%s"', (name) => {
    const [problem] = problemsOf(deployment(`instance: "${name}"`));
    expect(problem?.path).toBe('deployment.instance');
  });
});
