import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import type { EphyraProcess } from '../../src/sandbox/process.ts';
import { Bench } from './support/bench.ts';
import { runEphyra } from './support/program.ts';

const EXAMPLE = readFileSync(new URL('../../ephyra.example.yml', import.meta.url), 'utf8');
const TOKENS = { SLACK_BOT_TOKEN: 'xoxb-not-a-real-token', SLACK_APP_TOKEN: 'xapp-not-a-real-token' };
const PASSWORD = 'correct-horse-battery';

const CLOUDS = (...names: string[]) =>
  `clouds:\n${names
    .map(
      (name) =>
        `  ${name}:\n    auth: { auth_url: 'http://127.0.0.1:9/v3', username: admin, password: ${PASSWORD}, project_name: admin, user_domain_name: Default, project_domain_name: Default }\n`,
    )
    .join('')}`;

describe('What cannot be started says so and ends', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ephyra-bad-'));
    writeFileSync(join(folder, 'clouds.yaml'), CLOUDS('cp1', 'cp2'));
    writeFileSync(join(folder, 'ephyra.yml'), EXAMPLE.replace(/^store: .*$/m, 'store: ./store.json'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const start = async (args: readonly string[] = [], env: Record<string, string> = TOKENS) => {
    const ended = await runEphyra(args, folder, env);
    expect(ended.err + ended.out).not.toContain(PASSWORD);
    expect(ended.err + ended.out).not.toContain('not-a-real-token');
    return ended;
  };

  test('a configuration with many mistakes names them all at once: line, field, value, remedy', async () => {
    writeFileSync(
      join(folder, 'ephyra.yml'),
      `controlPlane:
  cp1: { cloud: cp1 }
roles:
  hadoop-worker:
    match: { extra: { role: hadoop-worker } }
    maxUnavailable: 0
    boot: { default: { flavor: bm.x, imge: i, networks: [] } }
application: { plugin: hadop }
deployment: { maxUnavailable: two, soak: 5 minutes, failureBuget: 1 }
slack: { mode: sockets, channel: ops, botToken: xoxb-not-a-real-token, operators: { users: [alice] } }
http: { port: 99999 }
`,
    );
    const { code, err, out } = await start();
    expect(code).toBe(2);
    expect(out).toBe('');
    for (const words of [
      /line 1, controlPlane: unknown key\n +Did you mean "controlPlanes"\?/,
      /line 6, roles\.hadoop-worker\.maxUnavailable: must be at least 1 \(found: 0\)/,
      /line 7, roles\.hadoop-worker\.boot\.default\.imge: unknown key \(found: "i"\)\n +Did you mean "image"\?/,
      /line 8, application\.plugin: unknown plugin \(found: "hadop"\)\n +Did you mean "hadoop"\?/,
      /line 9, deployment\.maxUnavailable: must be a number, is a text \(found: "two"\)/,
      /line 9, deployment\.soak: is not a duration \(found: "5 minutes"\)\n +Write "5m"/,
      /line 9, deployment\.failureBuget: unknown key.*\n +Did you mean "failureBudget"\?/,
      /line 10, slack\.mode: must be one of socket, http \(found: "sockets"\)/,
      /line 10, slack\.botToken: a secret must not stand in this file.*\[secret\]/,
      /line 11, http\.port: must be at most 65535 \(found: 99999\)/,
    ])
      expect(err).toMatch(words);
  });

  test.each([
    [
      'is not there',
      (path: string) => rmSync(path),
      /cannot be read: there is no such file\n +Copy ephyra\.example\.yml/,
    ],
    ['is no YAML', (path: string) => writeFileSync(path, 'controlPlanes: [\n  a: b\n'), /line \d+: not valid YAML/],
    ['is empty', (path: string) => writeFileSync(path, ''), /there is no configuration.*\n +Begin with a copy/],
  ])('a configuration that %s', async (_what, spoil, words) => {
    spoil(join(folder, 'ephyra.yml'));
    const { code, err } = await start();
    expect(code).toBe(2);
    expect(err).toContain(join(folder, 'ephyra.yml'));
    expect(err).toMatch(words);
  });

  test('secrets that are not in the environment', async () => {
    const { code, err } = await start([], {});
    expect(code).toBe(2);
    expect(err).toMatch(/slack\.botToken: the environment variable SLACK_BOT_TOKEN is not set\n +Set SLACK_BOT_TOKEN/);
    expect(err).toMatch(/slack\.appToken: the environment variable SLACK_APP_TOKEN is not set/);
  });

  test('no clouds.yaml anywhere', async () => {
    rmSync(join(folder, 'clouds.yaml'));
    const { code, err } = await start();
    expect(code).toBe(2);
    expect(err).toContain(`clouds.yaml, cloud cp1: not found in ${folder}`);
    expect(err).toContain('name it in OS_CLIENT_CONFIG_FILE');
  });

  test('a cloud that clouds.yaml does not have', async () => {
    writeFileSync(join(folder, 'clouds.yaml'), CLOUDS('cp1', 'staging'));
    const { code, err } = await start();
    expect(code).toBe(2);
    expect(err).toContain('cloud cp2: there is no such cloud; it has cp1, staging.');
    expect(err).toContain('Name one of these in ephyra.yml, or add the cloud here.');
  });

  test.each([
    ['cut off', '{ "format": 1, "lo', 'the file is not JSON'],
    ['of a newer Ephyra', '{ "format": 99, "epoch": 1, "locks": [], "deployments": [] }', 'newer'],
    ['something else', '{ "hello": "world" }', 'the content is not a store'],
  ])('a store that is %s is left as it is', async (_what, content, words) => {
    const store = join(folder, 'store.json');
    writeFileSync(store, content);
    const { code, err } = await start();
    expect(code).toBe(2);
    expect(err).toContain(`Store ${store}: `);
    expect(err).toContain(words);
    expect(readFileSync(store, 'utf8')).toBe(content);
  });

  test('a store that is a directory', async () => {
    mkdirSync(join(folder, 'store.json'));
    const { code, err } = await start();
    expect(code).toBe(2);
    expect(err).toMatch(/Store .*store\.json: the file cannot be read.*Make it a file/);
  });

  describe('what it is to listen on', () => {
    let taken: Server;
    let port: number;
    beforeEach(async () => {
      taken = createServer();
      await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
      port = (taken.address() as AddressInfo).port;
    });
    afterEach(() => taken.close());

    test.each([
      [
        'a port of monitoring that is taken',
        () => ({ http: { port } }),
        /http\.port: .*\(found: \d+\)\n +End it \(.*another Ephyra/,
      ],
      [
        'an address that is not of this machine',
        () => ({ http: { port: 0, host: '192.0.2.1' } }),
        /http\.host: .*\(found: 192\.0\.2\.1\)\n +Write one of its addresses/,
      ],
      [
        'a port for Slack that is taken',
        () => ({ http: { port: 0 }, slack: { mode: 'http', port, signingSecret: { env: 'SLACK_SIGNING_SECRET' } } }),
        /slack\.port: .*\(found: \d+\)\n +End it/,
      ],
    ])('%s', async (_what, changes, words) => {
      const file = join(folder, 'ephyra.yml');
      const config = parse(readFileSync(file, 'utf8')) as Record<string, Record<string, unknown>>;
      for (const [section, keys] of Object.entries<Record<string, unknown>>(changes())) {
        config[section] = { ...config[section], ...keys };
      }
      if (config['slack']?.['mode'] === 'http') delete config['slack']['appToken'];
      writeFileSync(file, stringify(config));
      const { code, err } = await start([], { ...TOKENS, SLACK_SIGNING_SECRET: '0123456789abcdef'.repeat(2) });
      expect(code).toBe(2);
      expect(err).toContain(`${file}: 1 problem\n`);
      expect(err).toMatch(words);
      expect(err).not.toContain('    at ');
    });
  });

  test('--check says what is wrong with 1, and what the configuration means with 0; it makes no store', async () => {
    const good = await start(['--check']);
    expect(good.code).toBe(0);
    expect(good.out).toContain('cp1: cloud cp1, BMC secrets from Ironic');
    const bad = await start(['--check'], {});
    expect(bad.code).toBe(1);
    expect(bad.out).toContain('SLACK_BOT_TOKEN is not set');
    expect(() => readFileSync(join(folder, 'store.json'))).toThrow('ENOENT');
  });
});

describe('What is asked for in Slack and cannot be', () => {
  let bench: Bench;
  let ephyra: EphyraProcess;

  beforeAll(async () => {
    bench = await Bench.set();
    ephyra = await bench.start(await bench.configuration());
  });
  afterAll(() => bench?.clear());
  afterEach(async () => {
    bench.sandbox.stage.activate(null);
    // Refusals are for the person alone. That a cloud could not be seen after the start, the channel is told.
    const messages = (await bench.see()).messages.map(({ plain }) => plain);
    expect(messages.filter((text) => !text.includes('After its start Ephyra cannot see'))).toEqual([]);
    expect(bench.writes.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
    expect(bench.changes.map(({ kind }) => kind)).toEqual([]);
  });

  test('a control plane that is not configured', async () => {
    const answer = await bench.ask('/ephyra deploy cp1→cp9');
    expect(answer).toContain('There is no control plane "cp9".');
    expect(answer).toContain('Control planes: cp1, cp2.');
  });

  test('the same control plane twice', async () => {
    const answer = await bench.ask('/ephyra deploy cp1→cp1');
    expect(answer).toContain('Source and target are both cp1. Name two different control planes, like cp1→cp2.');
  });

  test('no nodes', async () => {
    const answer = await bench.ask('/ephyra deploy cp2→cp1');
    expect(answer).toContain('`nodes`: cp2 has no nodes to move.');
    expect(answer).toContain('Check the direction; is everything in cp1 already?');
  });

  test('a node that there is not', async () => {
    const answer = await bench.ask('/ephyra deploy cp1→cp2 --nodes node-02,node-77');
    expect(answer).toContain('There is no node "node-77" in cp1.');
    expect(answer).toContain('openstack --os-cloud cp1 baremetal node list');
  });

  test.each(['cp1', 'cp2'])('%s is down', async (name) => {
    const cloud = bench.sandbox.controlPlanes.find((each) => each.name === name);
    const fault = cloud?.faults.add({ effect: { kind: 'service-down', answer: 503 } }) ?? '';
    const answer = await bench.ask('/ephyra deploy cp1→cp2').finally(() => cloud?.faults.remove(fault));
    expect(answer).toMatch(new RegExp(`• \`${name}\\.\\w+\`: .*503`));
    expect(answer).toContain('→ ');
    expect(answer).toContain('nothing was changed');
  });

  test('masked BMC secrets', async () => {
    bench.sandbox.stage.activate('secrets-masked');
    const answer = await bench.ask('/ephyra deploy cp1→cp2');
    expect(answer).toContain('`cp1.secrets`: Ironic of cp1 masks driver_info.ipmi_password');
    expect(answer).toContain('Put "show_password": "role:admin" into the Ironic policy of cp1');
  });

  test('an unhealthy Hadoop', async () => {
    bench.sandbox.stage.activate('hadoop-unhealthy');
    // A reading of Hadoop is shared for a moment: the one from before the fault has to grow old.
    await expect.poll(() => bench.ask('/ephyra plan cp1→cp2'), { timeout: 10_000 }).toContain('is unhealthy');
    const answer = await bench.ask('/ephyra deploy cp1→cp2');
    expect(answer).toContain('`application`: The application is unhealthy: 3 blocks are missing.');
    expect(answer).toContain('Bring the application to health first');
  });

  test('a second process on the same store ends, and the first goes on', async () => {
    const written = await bench.configuration();
    const first = await bench.start(written);
    const second = await runEphyra(['--config', written.config], '/', written.env);
    expect(second.code).toBe(2);
    const goesOn = (await fetch(`${first.httpUrl}/healthz`)).status;
    const { pid } = first;
    await first.terminate();
    expect(second.err).toMatch(
      new RegExp(`Store .*ephyra\\.json: process ${pid} on \\S+, which is running, has it open`),
    );
    expect(second.err).toContain('Stop that process, or give this one another "store"');
    expect(goesOn).toBe(200);
  });

  describe('with a spoilt configuration', () => {
    beforeAll(() => ephyra.terminate());

    test('the password of cp2 is wrong', async () => {
      const written = await bench.configuration({
        clouds: ({ clouds }) => {
          clouds.cp2.auth.password = PASSWORD;
        },
      });
      const spoilt = await bench.start(written);
      const answer = await bench.ask('/ephyra deploy cp1→cp2');
      await spoilt.terminate();
      expect(answer).toContain('One thing stands in the way');
      expect(answer).toContain('`cp2.auth`');
      expect(answer).toContain('clouds.yaml');
      expect(answer + bench.log()).not.toContain(PASSWORD);
    });

    test('Keystone of cp2 cannot be reached', async () => {
      bench.sandbox.stage.activate('cp2-down');
      const fresh = await bench.start(await bench.configuration());
      const answer = await bench.ask('/ephyra deploy cp1→cp2');
      await fresh.terminate();
      expect(answer).toMatch(/• `cp2\.\w+`: /);
      expect(answer).toContain(bench.sandbox.keystone['cp2']);
      expect(answer).toContain('nothing was changed');
    });

    test('flavor, image, network and key pair that cp2 does not have are all named', async () => {
      const written = await bench.configuration({
        config: ({ roles }) => {
          roles['hadoop-worker'].boot.cp2 = {
            flavor: 'bm.hadoop-wrker',
            image: 'hadoop-image-9',
            networks: ['tenant-net', 'storage-net'],
            keyPair: 'nobody',
          };
        },
      });
      const spoilt = await bench.start(written);
      const answer = await bench.ask('/ephyra deploy cp1→cp2');
      await spoilt.terminate();
      expect(answer).toContain('4 things stand in the way of cp1→cp2; nothing was changed.');
      expect(answer).toMatch(/`cp2\.flavor`: Role hadoop-worker: .*bm\.hadoop-wrker/);
      expect(answer).toMatch(/`cp2\.image`: .*hadoop-image-9/);
      expect(answer).toMatch(/`cp2\.network`: .*storage-net/);
      expect(answer).toMatch(/`cp2\.key\w*`: .*nobody/i);
      expect(answer).toContain('roles.hadoop-worker.boot');
    });

    test('no role matches', async () => {
      const written = await bench.configuration({
        config: ({ roles }) => {
          for (const [name, role] of Object.entries<{ match: object }>(roles))
            role.match = { extra: { role: `spark-${name}` } };
        },
      });
      const spoilt = await bench.start(written);
      const answer = await bench.ask('/ephyra deploy cp1→cp2');
      await spoilt.terminate();
      expect(answer).toContain('No node of cp1 can be moved (node-01: no role of the configuration matches it');
      expect(answer).toContain('check the roles of the configuration');
    });

    test('Slack refuses the tokens: Ephyra is up all the same and says which to mend', async () => {
      const written = await bench.configuration();
      const spoilt = await bench.start({ ...written, env: { ...written.env, ...TOKENS } });
      await expect.poll(() => bench.log()).toMatch(/slack\.botToken.*Slack refuses the bot token/);
      await expect.poll(() => bench.log()).toMatch(/slack\.appToken/);
      expect((await fetch(`${spoilt.httpUrl}/healthz`)).status).toBe(200);
      await spoilt.terminate();
      expect(bench.log()).not.toContain('not-a-real-token');
    });
  });
});
