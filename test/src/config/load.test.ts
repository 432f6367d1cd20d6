import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkConfig, configSecrets, describeConfig } from '../../../src/config/index.ts';
import { ENV, errorOf, LEAST, load, problemsOf, SLACK } from './support.ts';

describe('a good configuration', () => {
  test('keeps the order of control planes and roles', () => {
    const config = load(`
controlPlanes: { zulu: { cloud: a }, alpha: { cloud: b }, mike: { cloud: c } }
roles:
  worker: { match: { name: "w-*" }, boot: { default: { flavor: f, image: i, networks: [n] } } }
  master: { match: { name: "m-*" }, boot: { default: { flavor: f, image: i, networks: [n] } } }
`);
    expect(config.controlPlanes.map((entry) => entry.name)).toEqual(['zulu', 'alpha', 'mike']);
    expect(config.roles.map((role) => role.name)).toEqual(['worker', 'master']);
  });

  test('completes what to boot for each control plane from the default, key by key', () => {
    const config = load(`
controlPlanes: { cp1: { cloud: a }, cp2: { cloud: b }, cp3: { cloud: c } }
roles:
  worker:
    match: { resourceClass: bm }
    boot:
      default: { flavor: f1, image: i1, networks: [n1], keyPair: ops, metadata: { rack: r1 } }
      cp2: { image: i2, keyPair: null, metadata: {} }
      cp3: { networks: [n3, n4], configDrive: true }
`);
    const boot = config.roles[0]?.boot;
    expect(Object.keys(boot ?? {})).toEqual(['cp1', 'cp2', 'cp3']);
    expect(boot?.['cp1']).toMatchObject({ flavor: 'f1', image: 'i1', keyPair: 'ops', metadata: { rack: 'r1' } });
    expect(boot?.['cp2']).toMatchObject({ flavor: 'f1', image: 'i2', networks: ['n1'], keyPair: null, metadata: {} });
    expect(boot?.['cp3']).toMatchObject({ image: 'i1', networks: ['n3', 'n4'], configDrive: true, keyPair: 'ops' });
  });

  test('needs no default where every control plane says it all', () => {
    const config = load(`
controlPlanes: { cp1: { cloud: a }, cp2: { cloud: b } }
roles:
  worker:
    match: { flavor: f1 }
    boot:
      cp1: { flavor: f1, image: i1, networks: [n1] }
      cp2: { flavor: f2, image: i2, networks: [n2] }
`);
    expect(config.roles[0]?.boot['cp2']?.flavor).toBe('f2');
  });

  test('is frozen to the bottom', () => {
    const config = load(LEAST + SLACK);
    expect(() => Object.assign(config.deployment.approval, { required: false })).toThrow(TypeError);
    expect(() => ((config.slack?.operators.users ?? []) as string[]).push('U1')).toThrow(TypeError);
    expect(() => Object.assign(config.roles[0]?.boot['cp1'] ?? {}, { image: 'x' })).toThrow(TypeError);
  });

  test('takes relative paths from where the file is', () => {
    const config = load(
      `${LEAST.replace('cp1: { cloud: blue }', 'cp1: { cloud: blue, bmcSecrets: file, secretsFile: bmc.yml }').replace(
        'networks: [net]',
        'networks: [net], userData: user-data.sh',
      )}store: state/e.json\napplication: { plugin: ./mine.js }\n`,
      { files: { '/etc/ephyra/bmc.yml': 'n1: { ipmi_password: x }', '/etc/ephyra/user-data.sh': '#!/bin/sh\n' } },
    );
    expect(config.store).toBe('/etc/ephyra/state/e.json');
    expect(config.controlPlanes[0]?.secretsFile).toBe('/etc/ephyra/bmc.yml');
    expect(config.application.plugin).toBe('/etc/ephyra/mine.js');
    const userData = config.roles[0]?.boot['cp1']?.userData;
    expect(userData?.path).toBe('/etc/ephyra/user-data.sh');
    expect(Buffer.from(userData?.base64.reveal() ?? '', 'base64').toString()).toBe('#!/bin/sh\n');
  });

  test('without Slack is one, too', () => {
    expect(load(LEAST).slack).toBeNull();
  });

  test('understands anchors, aliases and merges', () => {
    const config = load(`
controlPlanes: { cp1: { cloud: a }, cp2: { cloud: b } }
roles:
  worker: { match: { name: "w-*" }, boot: { default: &boot { flavor: f, image: i, networks: [n] } } }
  master: { match: { name: "m-*" }, boot: { default: { <<: *boot, flavor: g } } }
`);
    expect(config.roles[1]?.boot['cp1']).toMatchObject({ flavor: 'g', image: 'i' });
  });
});

describe('secrets', () => {
  test('come from the environment or from a file, without white space around them', () => {
    const text = LEAST + SLACK.replace('{ env: SLACK_APP_TOKEN }', '{ file: /run/secrets/app }');
    const config = load(text, { files: { '/run/secrets/app': 'xapp-2\n' } });
    expect(config.slack?.botToken.reveal()).toBe('xoxb-1-bot');
    expect(config.slack?.appToken?.reveal()).toBe('xapp-2');
    expect(config.slack?.signingSecret).toBeNull();
    expect(configSecrets(config).map((secret) => secret.reveal())).toEqual(['xoxb-1-bot', 'xapp-2']);
  });

  test('are not seen in the configuration however it is printed', () => {
    const config = load(LEAST + SLACK);
    for (const shown of [
      JSON.stringify(config),
      inspect(config, { depth: 9, showHidden: true }),
      `${config.slack?.botToken}`,
      describeConfig(config),
    ]) {
      expect(shown).not.toMatch(/xoxb|xapp/);
    }
    expect(JSON.stringify(config)).toContain('[secret]');
  });

  test('in the file itself are refused, and not repeated', () => {
    const error = errorOf(LEAST + SLACK.replace('{ env: SLACK_BOT_TOKEN }', 'xoxb-very-secret'));
    expect(error.problems).toEqual([
      {
        path: 'slack.botToken',
        value: '[secret]',
        problem: 'a secret must not stand in this file, which is copied and committed',
        remedy: 'Write { env: SLACK_BOT_TOKEN } or { file: PATH }, and replace the secret: it may have been seen.',
        line: 14,
      },
    ]);
    expect(error.message).not.toContain('very-secret');
  });

  test.each([
    ['a misspelt key', SLACK.replace('botToken: { env: SLACK_BOT_TOKEN }', 'bottokn: xoxb-leak')],
    ['another key', SLACK.replace('C0123456789', 'xoxb-leak')],
    ['a section of its own', `${SLACK}password: leak-me\n`],
  ])('that stand under %s are not repeated either', (_where, slack) => {
    const error = errorOf(LEAST + slack);
    expect(error.message).not.toContain('leak');
    expect(inspect(error)).not.toContain('leak');
  });

  test('that are not there say what to set', () => {
    expect(problemsOf(LEAST + SLACK, { env: { SLACK_APP_TOKEN: ' \n' } })).toMatchObject([
      {
        path: 'slack.botToken',
        problem: 'the environment variable SLACK_BOT_TOKEN is not set',
        remedy: 'Set SLACK_BOT_TOKEN, or write { file: PATH } at slack.botToken.',
      },
      { path: 'slack.appToken', problem: 'the environment variable SLACK_APP_TOKEN is empty' },
    ]);
    const fromFile = LEAST + SLACK.replace('{ env: SLACK_BOT_TOKEN }', '{ file: /nowhere }');
    expect(problemsOf(fromFile)).toMatchObject([
      { path: 'slack.botToken', problem: 'the file /nowhere cannot be read: there is no such file' },
    ]);
  });

  test('of the other kind are told apart', () => {
    const env = { SLACK_BOT_TOKEN: 'xapp-1', SLACK_APP_TOKEN: 'xoxb-1' };
    const problems = problemsOf(LEAST + SLACK, { env });
    expect(problems.map((entry) => [entry.path, entry.problem])).toEqual([
      ['slack.botToken', 'holds another kind of token'],
      ['slack.appToken', 'holds another kind of token'],
    ]);
    expect(JSON.stringify(problems)).not.toMatch(/xapp-1|xoxb-1/);
  });

  test('in a file that everybody may read make a warning', () => {
    const text = LEAST + SLACK.replace('{ env: SLACK_APP_TOKEN }', '{ file: /run/app }');
    const world = { files: { '/run/app': 'xapp-2' }, modes: { '/run/app': 0o644 } };
    expect(load(text, world).warnings).toMatchObject([
      { path: 'slack.appToken', problem: 'every account on this machine may read /run/app', line: 15 },
    ]);
    expect(describeConfig(load(text, world))).toContain('chmod o= /run/app');
  });
});

describe('a broken configuration', () => {
  test('is told with all its problems at once, in the order of the file', () => {
    const error = errorOf(`
controlPlanes:
  cp1: { cloud: blue, bmcSecret: file }
  cp2: {}
roles:
  hadoop-worker:
    match: { extra: { role: worker } }
    maxUnavailabel: 2
    boot:
      default: { flavor: 12, image: img }
canary: 3
deployment:
  soak: 300
  retries: { backoff: 1h }
log: { level: verbose }
`);
    expect(error.problems).toEqual([
      {
        path: 'controlPlanes.cp1.bmcSecret',
        value: '[secret]',
        problem: 'unknown key',
        remedy: 'Did you mean "bmcSecrets"?',
        line: 3,
      },
      {
        path: 'controlPlanes.cp2.cloud',
        value: undefined,
        problem: 'is missing',
        remedy: 'Write the name of an entry in clouds.yaml.',
        line: 4,
      },
      {
        path: 'roles.hadoop-worker.maxUnavailabel',
        value: '2',
        problem: 'unknown key',
        remedy: 'Did you mean "maxUnavailable"?',
        line: 8,
      },
      {
        path: 'roles.hadoop-worker.boot.default.flavor',
        value: '12',
        problem: 'must be a text, is a number',
        remedy: 'Write the name or id of a flavor.',
        line: 10,
      },
      {
        path: 'roles.hadoop-worker.boot.default.networks',
        value: undefined,
        problem: 'is missing',
        remedy: 'Write "networks: [NAME]" in "default" for every control plane, or for each of them.',
        line: 10,
      },
      {
        path: 'canary',
        value: '3',
        problem: 'unknown key',
        remedy: 'It belongs to deployment: check the indentation.',
        line: 11,
      },
      {
        path: 'deployment.soak',
        value: '300',
        problem: 'is a number without a unit',
        remedy: 'Write the unit: "300ms" if milliseconds were meant, "300s" if seconds were.',
        line: 13,
      },
      {
        path: 'deployment.retries.backoff',
        value: '"1h"',
        problem: 'backoff (1h) is longer than maxBackoff (2m)',
        remedy: 'The pause begins with backoff and grows to maxBackoff: swap or change them.',
        line: 14,
      },
      {
        path: 'log.level',
        value: '"verbose"',
        problem: 'must be one of trace, debug, info, warn, error, fatal, silent',
        remedy: 'Write trace, debug, info, warn, error, fatal, silent.',
        line: 15,
      },
    ]);
  });

  test('prints as a list with place, problem and remedy', () => {
    expect(errorOf(LEAST.replace('cloud: green', 'clod: green')).message).toBe(
      [
        '/etc/ephyra/ephyra.yml: 2 problems',
        '  line 4, controlPlanes.cp2.cloud: is missing',
        '      Write the name of an entry in clouds.yaml.',
        '  line 4, controlPlanes.cp2.clod: unknown key (found: "green")',
        '      Did you mean "cloud"?',
      ].join('\n'),
    );
  });

  test('is an answer of --check, not a crash', () => {
    const check = checkConfig({ path: '/nowhere/ephyra.yml', env: {} });
    expect(check.ok).toBe(false);
    expect(check.text).toContain('there is no such file');
    expect(check.text).toContain('Copy ephyra.example.yml');
  });

  test.each([
    ['an empty file', '', 'there is no configuration in this file'],
    ['comments only', '# nothing\n', 'there is no configuration in this file'],
    ['a list', '- a\n', 'there is no configuration in this file'],
    ['a tab', 'a: b\n\tc: d\n', 'not valid YAML: Tabs are not allowed as indentation'],
    ['an open bracket', 'a: [1\n', 'not valid YAML: Flow sequence'],
    ['two documents', `${LEAST}---\na: 1\n`, 'there is more than one YAML document'],
    ['the same key twice', `${LEAST}log: { level: info, level: warn }\n`, 'the same key is there twice'],
    ['an alias to nothing', `${LEAST}log: *gone\n`, 'not usable YAML: Unresolved alias'],
  ])('%s is told as such', (_what, text, problem) => {
    const problems = problemsOf(text);
    expect(problems.map((entry) => entry.problem)).toContainEqual(expect.stringContaining(problem));
  });

  test('an unknown key that resembles nothing names the nearest and all that are known', () => {
    expect(problemsOf(`${LEAST}http: { zzzzzzzz: 1 }\n`)).toMatchObject([
      {
        path: 'http.zzzzzzzz',
        remedy: expect.stringMatching(/^The nearest known key is "(host|port)"; .*: host, port\.$/),
      },
    ]);
  });

  test('whatever the content, loading gives a configuration or a list of problems', () => {
    const key = fc.constantFrom(
      'controlPlanes',
      'roles',
      'deployment',
      'slack',
      'cp1',
      'boot',
      'default',
      'match',
      'x',
    );
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom(null, true, 0, -1, 1.5, '', 'text', '5m', '__proto__'),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(key, tie('value'), { maxKeys: 5 }),
      ),
    })).value;
    fc.assert(
      fc.property(json, (content) => {
        const error = errorOf(JSON.stringify(content));
        expect(error.problems.length).toBeGreaterThan(0);
        for (const problem of error.problems) expect(problem.remedy).toMatch(/\.$|\?$/);
      }),
      { numRuns: 300 },
    );
  });

  test('any one value of a good file replaced by nonsense is a problem at that place or below', () => {
    const good = LEAST + SLACK;
    const places: readonly (readonly [string, string])[] = [
      ['blue', 'controlPlanes.cp1.cloud'],
      ['[net]', 'roles.worker.boot.default.networks'],
      ['socket', 'slack.mode'],
      ['C0123456789', 'slack.channel'],
      ['[U0000000001]', 'slack.operators.users'],
    ];
    for (const [text, path] of places) {
      for (const nonsense of ['{ a: { b: 1 } }', '[[1]]', '17', 'true', 'null', '""']) {
        const paths = problemsOf(good.replace(text, nonsense)).map((entry) => entry.path);
        expect(paths.some((found) => found.startsWith(path))).toBe(true);
      }
    }
  });
});

describe('what concerns several keys', () => {
  const one = (text: string, world = {}) => problemsOf(text, world).map((entry) => [entry.path, entry.problem]);

  test('one control plane is not enough, and two must be two', () => {
    expect(one(LEAST.replace('  cp2: { cloud: green }\n', ''))).toEqual([
      ['controlPlanes', 'only one control plane is configured'],
    ]);
    expect(one(LEAST.replace('green', 'blue'))).toEqual([['controlPlanes.cp2.cloud', 'cp1 is this cloud already']]);
    expect(one(LEAST.replace('cp2:', 'CP1:'))).toEqual([['controlPlanes.CP1', 'differs from "cp1" only in case']]);
    expect(one(LEAST.replace('cp2:', 'all:'))).toEqual([
      ['controlPlanes.all', '"all" means something else in commands'],
    ]);
    expect(one(LEAST.replace('cp2:', 'cp2-:'))).toEqual([['controlPlanes.cp2-', 'is no name for a control plane']]);
  });

  test('what is to be booted must be complete on every control plane', () => {
    const text = LEAST.replace(
      'default: { flavor: bm, image: img, networks: [net] }',
      'cp1: { flavor: bm, image: img, networks: [net] }\n      cp2: { image: img, networks: [net] }',
    );
    expect(one(text)).toEqual([['roles.worker.boot.cp2.flavor', 'is missing for cp2, and "default" has none']]);
    expect(one(`${LEAST}      cp3: { image: x }\n`)).toEqual([
      ['roles.worker.boot.cp3', 'is neither "default" nor a control plane'],
    ]);
    expect(problemsOf(`${LEAST}      defualt: { image: x }\n`)[0]?.remedy).toBe('Did you mean "default"?');
  });

  test('a role must be told from the others', () => {
    expect(one(LEAST.replace('{ role: worker }', '{}'))).toEqual([
      ['roles.worker.match', 'has no criterion and would take every node'],
    ]);
    const twin = `  master: { match: { extra: { role: worker } }, boot: { default: { flavor: f, image: i, networks: [n] } } }\n`;
    expect(one(LEAST + twin)).toEqual([
      ['roles.master.match', 'is the same as that of "worker", so no node would ever get this role'],
    ]);
  });

  test.each([
    ['socket', 'appToken', 'SLACK_APP_TOKEN'],
    ['http', 'signingSecret', 'SLACK_SIGNING_SECRET'],
  ])('Slack mode %s needs its %s', (mode, key, variable) => {
    const text = (LEAST + SLACK).replace('mode: socket', `mode: ${mode}`).replace(/ {2}appToken.*\n/, '');
    expect(problemsOf(text)).toMatchObject([
      {
        path: `slack.${key}`,
        problem: `is missing, and mode ${mode} needs it`,
        remedy: expect.stringContaining(variable),
      },
    ]);
  });

  test('a token that only the other mode needs may stand there unset', () => {
    const text = `${LEAST}${SLACK}  signingSecret: { env: NOT_SET }\n`;
    expect(load(text).slack?.signingSecret).toBeNull();
  });

  test('somebody must be allowed to act', () => {
    expect(one(LEAST + SLACK.replace('[U0000000001]', '[]'))).toEqual([
      ['slack.operators', 'nobody may deploy, stop or lock'],
    ]);
    expect(one(LEAST + SLACK.replace('[U0000000002]', '[]'))).toEqual([
      ['slack.approvers', 'nobody may approve, so no deployment would ever start'],
    ]);
    const unapproved = `${LEAST}${SLACK.replace('[U0000000002]', '[]')}deployment: { approval: { required: false } }\n`;
    expect(load(unapproved).deployment.approval.required).toBe(false);
  });

  test('the only operator cannot be the only approver, unless they may approve their own', () => {
    const lone = LEAST + SLACK.replace('U0000000002', 'U0000000001');
    expect(one(lone)).toEqual([
      [
        'slack.approvers',
        'the only approver is the only operator, and nobody may approve what they requested themselves',
      ],
    ]);
    expect(load(`${lone}deployment: { approval: { allowSelf: true } }\n`).slack).not.toBeNull();
    expect(load(lone.replace('users: [U0000000001] }', 'groups: [S0000000001] }')).slack).not.toBeNull();
  });

  test('names of people and channels are not ids', () => {
    const text = (LEAST + SLACK).replace('C0123456789', "'#ops'").replace('U0000000001', "'@jane'");
    expect(problemsOf(text).map((entry) => [entry.path, entry.value])).toEqual([
      ['slack.channel', '"#ops"'],
      ['slack.operators.users[0]', '"@jane"'],
    ]);
  });

  test('tokens are sent over plain http to this machine only', () => {
    expect(load(`${LEAST}${SLACK}  apiUrl: http://127.0.0.1:9000/api\n`).slack?.apiUrl).toBe(
      'http://127.0.0.1:9000/api/',
    );
    expect(one(`${LEAST}${SLACK}  apiUrl: http://slack.example/api/\n`)).toEqual([
      ['slack.apiUrl', 'would send the tokens unencrypted'],
    ]);
  });

  test('one port serves one of the two', () => {
    const text =
      LEAST +
      SLACK.replace('socket', 'http')
        .replace('appToken: { env: SLACK_APP', 'signingSecret: { env: SLACK_SIGNING')
        .replace('SIGNING_TOKEN', 'SIGNING_SECRET');
    expect(one(`${text}  port: 8080\n`)).toEqual([['slack.port', 'slack.port and http.port are both 8080']]);
  });

  test.each([
    ['hadop', 'unknown plugin', 'Did you mean "hadoop"?'],
    ['Hadoop', 'unknown plugin', 'Did you mean "hadoop"?'],
    ['My Plugin', 'neither a plugin of Ephyra nor the name of an npm package', 'npm package'],
  ])('plugin %s is refused', (plugin, problem, remedy) => {
    expect(problemsOf(`${LEAST}application: { plugin: ${plugin} }\n`)).toMatchObject([
      { path: 'application.plugin', problem, remedy: expect.stringContaining(remedy) },
    ]);
  });

  test.each(['hadoop', 'exec', 'none', 'ephyra-plugin-spark', '@acme/ephyra-hbase'])('plugin %s is taken', (plugin) => {
    expect(load(`${LEAST}application: { plugin: "${plugin}", options: { any: [1] } }\n`).application).toEqual({
      plugin,
      options: { any: [1] },
    });
  });

  test('a secrets file is needed with "file", and only then', () => {
    const cp1 = (entry: string) => LEAST.replace('cp1: { cloud: blue }', `cp1: { cloud: blue, ${entry} }`);
    expect(one(cp1('bmcSecrets: file'))).toEqual([['controlPlanes.cp1.secretsFile', 'is missing']]);
    expect(one(cp1('secretsFile: /etc/bmc.yml'))).toEqual([
      ['controlPlanes.cp1.secretsFile', 'is not used with "bmcSecrets: api"'],
    ]);
    expect(one(cp1('bmcSecrets: file, secretsFile: /etc/bmc.yml'))).toEqual([
      ['controlPlanes.cp1.secretsFile', 'the BMC secrets file cannot be read: there is no such file'],
    ]);
    const broken = { files: { '/etc/bmc.yml': 'n1:\n  ipmi_password: "******"\n' } };
    expect(one(cp1('bmcSecrets: file, secretsFile: /etc/bmc.yml'), broken)).toEqual([
      [
        'controlPlanes.cp1.secretsFile',
        '/etc/bmc.yml:2, n1.ipmi_password: is the mask that Ironic shows instead of the secret',
      ],
    ]);
  });

  test('a limit for failure domains is shown with the place that names them', () => {
    const deployment = (entry: string) => `${LEAST}deployment: { failureDomain: { ${entry} } }\n`;
    const config = load(deployment('extra: room, maxUnavailable: 2'));
    expect(config.deployment.failureDomain).toEqual({ extra: 'room', maxUnavailable: 2 });
    expect(describeConfig(config)).toContain('  at most 2 of one failure domain (extra.room) out at once\n');
    expect(describeConfig(load(LEAST))).not.toContain('failure domain');
    expect(one(deployment('maxUnavailable: 0'))).toEqual([
      ['deployment.failureDomain.maxUnavailable', 'must be at least 1'],
    ]);
    expect(one(deployment('extra: ""'))).toEqual([['deployment.failureDomain.extra', 'is empty']]);
    expect(one(deployment('rack: r1'))).toEqual([['deployment.failureDomain.rack', 'unknown key']]);
  });

  test('times must fit into one another', () => {
    const deployment = (entry: string) => `${LEAST}deployment: { ${entry} }\n`;
    expect(one(deployment('maxUnavailable: 2, canary: 3'))).toEqual([
      ['deployment.canary', 'is more than maxUnavailable (2), which holds for the canary, too'],
    ]);
    expect(one(deployment('poll: 10m, deadlines: { copy: 20m }'))).toEqual([
      ['deployment.poll', 'the deadline of claim (5m) is over before the second look (poll is 10m)'],
      ['deployment.poll', 'the deadline of unenroll (10m) is over before the second look (poll is 10m)'],
    ]);
    expect(one(deployment('verify: { checks: 7, interval: 10m }'))).toEqual([
      ['deployment.verify', '7 checks with 10m between them take 1h, the deadline of verify is 1h'],
    ]);
    expect(one(deployment('poll: 0s'))).toEqual([['deployment.poll', 'must be longer than nothing']]);
    expect(load(deployment('soak: 0s, canary: 0')).deployment).toMatchObject({ soakMs: 0, canary: 0 });
  });

  test('user data must be a file that Nova would take', () => {
    const text = (value: string) => LEAST.replace('networks: [net]', `networks: [net], userData: ${value}`);
    expect(one(text('/u.sh'))).toEqual([
      ['roles.worker.boot.default.userData', 'the file /u.sh cannot be read: there is no such file'],
    ]);
    expect(one(text('/u.sh'), { files: { '/u.sh': 'x'.repeat(49_153) } })).toEqual([
      ['roles.worker.boot.default.userData', 'the file /u.sh has 49153 bytes; Nova takes about 49000'],
    ]);
    const inline = errorOf(text('"#!/bin/sh\\npasswd secret"'));
    expect(inline.problems[0]).toMatchObject({ problem: 'is not a path', path: 'roles.worker.boot.default.userData' });
  });

  test('metadata that is ours, or no text, is refused', () => {
    const text = (metadata: string) => LEAST.replace('networks: [net]', `networks: [net], metadata: ${metadata}`);
    expect(one(text('{ ephyra_node: x }'))).toEqual([
      ['roles.worker.boot.default.metadata.ephyra_node', 'is no key for metadata here'],
    ]);
    expect(one(text('{ rack: 12 }'))).toEqual([
      ['roles.worker.boot.default.metadata.rack', 'must be a text, is a number'],
    ]);
  });

  test('a mistake in one place hides none in another', () => {
    const text = `${LEAST.replace('cloud: green', 'cloud: 5')}${SLACK.replace('socket', 'sockt').replace('SLACK_APP_TOKEN', 'NOT_SET')}`;
    expect(one(text).map(([path]) => path)).toEqual(['controlPlanes.cp2.cloud', 'slack.mode', 'slack.appToken']);
    expect(ENV).not.toHaveProperty('NOT_SET');
  });
});
