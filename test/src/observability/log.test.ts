import axios from 'axios';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Failure } from '../../../machines/errors.ts';
import { Secret } from '../../../src/config/index.ts';
import { createLogger, isSecretKey, type Logger, Redactor, silentLogger } from '../../../src/observability/index.ts';

interface Written {
  readonly [field: string]: unknown;
}

function logging(
  secrets: readonly string[] = [],
  level = 'trace',
): { log: Logger; lines: string[]; last: () => Written } {
  const lines: string[] = [];
  const log = createLogger({
    level,
    secrets,
    now: () => 1_700_000_000_000,
    destination: { write: (line) => lines.push(line) },
  });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? 'null') as Written };
}

describe('a log line', () => {
  test('is one JSON object with time, level, message and fields', () => {
    const { log, lines } = logging();
    log.info({ node: 'n-1', durationMs: 5 }, 'step done');
    expect(lines).toEqual(['{"level":"info","time":1700000000000,"node":"n-1","durationMs":5,"msg":"step done"}\n']);
  });

  test('below the level is not written', () => {
    const { log, lines } = logging([], 'warn');
    log.info('quiet');
    log.warn('loud');
    expect(lines).toHaveLength(1);
    expect(() => silentLogger().error('nothing')).not.toThrow();
  });

  test('with a value that contains itself, bytes or a map is written all the same', () => {
    const { log, last } = logging();
    const self: Record<string, unknown> = { a: 1 };
    self['self'] = self;
    log.info(
      { self, bytes: Buffer.from('abc'), map: new Map([['k', 1n]]), set: new Set(['v']), at: new Date(0) },
      'odd',
    );
    expect(last()).toMatchObject({
      self: { a: 1, self: '[circular]' },
      bytes: '[3 bytes]',
      map: { k: '1' },
      set: ['v'],
      at: '1970-01-01T00:00:00.000Z',
    });
  });
});

describe('an error in the log', () => {
  test('keeps the chain of its causes, with what they know', () => {
    const { log, last } = logging();
    const root = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const failure = new Failure(
      { reason: 'cloud_unreachable', next: 'retry', message: 'cp2 does not answer' },
      { cause: new Error('no answer', { cause: root }) },
    );
    log.error({ err: failure }, 'step failed');
    expect(last()).toMatchObject({
      msg: 'step failed',
      err: {
        type: 'Failure',
        message: 'cp2 does not answer',
        reason: 'cloud_unreachable',
        next: 'retry',
        stack: expect.stringContaining('log.test.ts'),
        cause: { message: 'no answer', cause: { message: 'connect ECONNREFUSED', code: 'ECONNREFUSED' } },
      },
    });
  });

  test('is found at any depth, alone and in groups', () => {
    const { log, last } = logging();
    log.error({ tries: [{ failed: new RangeError('one') }] }, 'gave up');
    expect(last()).toMatchObject({ tries: [{ failed: { type: 'RangeError', message: 'one' } }] });
    log.error(new AggregateError([new Error('a'), 'b'], 'both'));
    expect(last()).toMatchObject({ msg: 'both', err: { errors: [{ message: 'a' }, 'b'] } });
  });

  test('that is its own cause ends', () => {
    const { log, last } = logging();
    const error = new Error('round');
    error.cause = error;
    log.error({ err: error }, 'odd');
    expect(JSON.stringify(last()).length).toBeLessThan(5_000);
  });

  test('of an HTTP client tells method, address and status, and no header, query or body', async () => {
    const { log, lines, last } = logging();
    const request = axios.post(
      'http://cp1.example/v3/auth/tokens?nocatalog=1',
      { auth: { password: 'pw-in-body' } },
      {
        headers: { 'X-Auth-Token': 'tok-in-header' },
        adapter: (config) =>
          Promise.reject(
            new axios.AxiosError('Request failed with status code 401', 'ERR_BAD_REQUEST', config, undefined, {
              status: 401,
              statusText: 'Unauthorized',
              data: { token: 'tok-in-answer' },
              headers: { 'x-subject-token': 'tok-in-answer-header' },
              config,
            }),
          ),
      },
    );
    const error: unknown = await request.catch((thrown: unknown) => thrown);
    log.error({ err: error }, 'no token');
    expect(last()).toMatchObject({
      err: { method: 'POST', url: 'http://cp1.example/v3/auth/tokens', status: 401, code: 'ERR_BAD_REQUEST' },
    });
    expect(lines.join('')).not.toMatch(/tok-in|pw-in|nocatalog|Unauthorized/);
  });
});

describe('secrets in the log', () => {
  test.each([
    'password',
    'ipmi_password',
    'redfish_password',
    'driver_info.ipmi_password',
    'adminPass',
    'secret',
    'clientSecret',
    'application_credential_secret',
    'token',
    'botToken',
    'Authorization',
    'x-auth-token',
    'X-Subject-Token',
    'x-slack-signature',
    'user_data',
    'snmp_community',
    'privateKey',
    'Set-Cookie',
  ])('are hidden under the key %s at any depth', (key) => {
    const { log, lines, last } = logging();
    log.info({ a: [{ b: { [key]: 'hunter2hunter2' } }], [key]: { deep: 'hunter2hunter2' }, other: 1 }, 'x');
    expect(lines.join('')).not.toContain('hunter2');
    expect(last()).toMatchObject({ a: [{ b: { [key]: '[secret]' } }], [key]: '[secret]', other: 1 });
  });

  test.each([
    'keyName',
    'keyPair',
    'secretsFile',
    'idempotencyKeys',
    'tokenExpires',
    'author',
    'passed',
    'digest',
    'masked',
  ])('are not imagined under the key %s', (key) => {
    expect(isSecretKey(key)).toBe(false);
  });

  test('whether there is one may be said', () => {
    const { log, last } = logging();
    log.info({ password: null, token: false, secret: true }, 'x');
    expect(last()).toMatchObject({ password: null, token: false, secret: true });
  });

  test('that are known are hidden in fields, keys, messages, errors, causes and bindings', () => {
    const { log, lines } = logging(['S3cr"et\\väl/ue']);
    const value = 'S3cr"et\\väl/ue';
    const child = log.child({ binding: `a ${value}` });
    child.info({ field: `b ${value}`, [value]: 1, list: [[value]] }, `message ${value}`);
    child.error(new Error(`e ${value}`, { cause: new Error(`f ${value}`) }));
    log.info(`%s and %s`, value, encodeURIComponent(value));
    log.info({ header: Buffer.from(value).toString('base64'), body: JSON.stringify({ x: value }) }, 'coded');
    expect(lines).toHaveLength(4);
    const written = lines.join('');
    for (const form of ['S3cr', encodeURIComponent(value), Buffer.from(value).toString('base64')]) {
      expect(written).not.toContain(form);
    }
    expect(written.match(/\[secret\]/g)?.length).toBeGreaterThanOrEqual(10);
  });

  test('whatever they are and wherever they stand in a text, the known ones are hidden', () => {
    const secret = fc
      .string({ unit: 'grapheme', minLength: 4, maxLength: 20 })
      .filter((text) => !'[secret]'.includes(text));
    fc.assert(
      fc.property(secret, fc.string(), fc.string(), (value, before, after) => {
        const redactor = new Redactor();
        redactor.register([value]);
        const text = redactor.text(`${before}\n${value}\n${after}`);
        expect(text.replaceAll('[secret]', '')).not.toContain(value);
      }),
    );
  });

  test('that become known later are hidden from then on', () => {
    const lines: string[] = [];
    const redactor = new Redactor();
    const log = createLogger({ level: 'info', redactor, destination: { write: (line) => lines.push(line) } });
    redactor.register(['learned-later']);
    log.info('it is learned-later');
    expect(lines.join('')).toContain('it is [secret]');
  });

  test.each([
    ['a Slack token', 'got xoxb-12-34-abc back', 'got [secret] back'],
    ['an app token', 'xapp-1-A0-9-ff', '[secret]'],
    ['a bearer token', 'Authorization: Bearer abcdef012345', 'Authorization: Bearer [secret]'],
    ['a Keystone token', 'with gAAAAABmabcdefghijklmnopqrstuvwxyz_-12 in it', 'with [secret] in it'],
    ['user info', 'at https://admin:pw@cp1:5000/v3', 'at https://admin:[secret]@cp1:5000/v3'],
    ['a JSON field', 'body {"ipmi_password": "calvin", "a": 1}', 'body {"ipmi_password": "[secret]", "a": 1}'],
    ['an escaped JSON field', '"{\\"password\\": \\"cal\\\\vin\\"}"', '"{\\"password\\": \\"[secret]\\"}"'],
    ['a Python dictionary', "{'redfish_password': 'calvin'}", "{'redfish_password': '[secret]'}"],
    ['a query', 'GET /x?token=abc&y=1', 'GET /x?token=[secret]&y=1'],
  ])('are known by their looks: %s', (_what, text, clean) => {
    expect(new Redactor().text(text)).toBe(clean);
  });

  test('are not imagined in ordinary sentences', () => {
    for (const text of [
      'The token was refused: ask for a new one.',
      'http://127.0.0.1:8080/healthz',
      'a password is missing in clouds.yaml',
      'deployment d-20261122-1 at cp1:5000',
    ]) {
      expect(new Redactor().text(text)).toBe(text);
    }
  });

  test('wrapped as such say so', () => {
    const { log, last } = logging();
    log.info({ wrapped: new Secret('v') }, 'x');
    expect(last()).toMatchObject({ wrapped: '[secret]' });
  });

  test('a long hostile text is cleaned in no time', () => {
    const redactor = new Redactor();
    for (const text of [
      'a-'.repeat(100_000),
      '"password": "'.repeat(20_000),
      '://a:'.repeat(50_000),
      '\\'.repeat(100_000),
    ]) {
      const since = performance.now();
      redactor.text(text);
      expect(performance.now() - since).toBeLessThan(1_500);
    }
  });
});
