import { z } from 'zod';
import type { Step } from '../../machines/domain.ts';
import { formatDuration, parseDuration } from './duration.ts';
import { LOG_LEVELS } from './types.ts';

/**
 * The configuration file's shape, key by key, with every default. What concerns more than one key is in
 * `crossChecks.ts`. Descriptions are what people read as remedy: they complete the sentence "Write ...".
 */

/** A refusal in our own words; `issues.ts` takes them from here. */
export interface OwnWords {
  readonly problem: string;
  readonly remedy: string;
}

function refuse(context: z.core.$RefinementCtx, input: unknown, words: OwnWords): void {
  context.issues.push({ code: 'custom', message: words.problem, params: words, input });
}

/** A text that is not empty. */
const text = (description: string) => z.string().min(1).describe(description);

const matching = (pattern: RegExp, words: OwnWords, description: string) =>
  z
    .string()
    .superRefine((value, context) => {
      if (!pattern.test(value)) refuse(context, value, words);
    })
    .describe(description);

const count = (least: number, description: string) => z.int().min(least).describe(description);

const flag = () => z.boolean().describe('true or false');

/** A duration in the file, milliseconds after parsing. */
const duration = (preset: string, options: { zero?: boolean; least?: number } = {}) =>
  z
    .any()
    .transform((value, context): number => {
      const parsed = parseDuration(value);
      if ('problem' in parsed) {
        refuse(context, value, parsed);
        return z.NEVER;
      }
      if (parsed.ms === 0 && options.zero !== true) {
        refuse(context, value, { problem: 'must be longer than nothing', remedy: `Write a duration, e.g. ${preset}.` });
        return z.NEVER;
      }
      if (options.least !== undefined && parsed.ms < options.least) {
        const least = formatDuration(options.least);
        refuse(context, value, {
          problem: `must be ${least} at least`,
          remedy: `Write ${least} or more, e.g. ${preset}.`,
        });
        return z.NEVER;
      }
      return parsed.ms;
    })
    .prefault(preset)
    .describe(`a duration, e.g. ${preset}`);

export type SecretRef = { readonly env: string } | { readonly file: string };

/** Where a secret is to be found. The secret itself is refused, whatever it looks like. */
const secret = (description: string) =>
  z
    .any()
    .transform((value, context): SecretRef => {
      const keys = typeof value === 'object' && value !== null ? Object.entries(value) : [];
      const [key, place] = keys[0] ?? [];
      if (keys.length === 1 && (key === 'env' || key === 'file') && typeof place === 'string' && place !== '') {
        return key === 'env' ? { env: place } : { file: place };
      }
      const scalar = typeof value === 'string' || typeof value === 'number';
      refuse(context, value, {
        problem: scalar
          ? 'a secret must not stand in this file, which is copied and committed'
          : 'names no place of a secret',
        remedy: `Write ${description}${scalar ? ', and replace the secret: it may have been seen' : ''}.`,
      });
      return z.NEVER;
    })
    .describe(description);

const secretPlace = (name: string) => `{ env: ${name} } or { file: PATH }`;

/** `to`, `all` and `default` have a meaning of their own in commands and in `boot`. */
export const RESERVED_NAMES = ['all', 'default', 'to', 'from'];

const controlPlaneName = matching(
  // Without "->" at its end: commands are written cp1->cp2.
  /^[A-Za-z][A-Za-z0-9_.]*(-+[A-Za-z0-9_.]+)*$/,
  {
    problem: 'is no name for a control plane',
    remedy: 'Use letters, digits, "-", "_" and ".", beginning with a letter, not ending with "-".',
  },
  'a name such as cp1',
).max(40);

const roleName = matching(
  /^[A-Za-z][\w.-]*$/,
  { problem: 'is no name for a role', remedy: 'Use letters, digits, "-", "_" and ".", beginning with a letter.' },
  'a name such as hadoop-worker',
).max(63);

const controlPlane = z
  .strictObject({
    cloud: text('the name of an entry in clouds.yaml'),
    bmcSecrets: z.enum(['api', 'file']).default('api').describe('api or file'),
    secretsFile: text('the path of a file with the BMC secrets').optional(),
  })
  .describe('{ cloud: NAME }, where NAME is an entry in clouds.yaml');

const plain = z
  .any()
  .superRefine((value, context) => {
    if (['string', 'number', 'boolean'].includes(typeof value)) return;
    refuse(context, value, { problem: 'must be a text, a number, true or false', remedy: 'Write one plain value.' });
  })
  .transform((value) => value as string | number | boolean);

/** Nova's metadata is text on both sides, 255 characters at most. */
const metadata = (description: string) =>
  z
    .record(
      matching(
        /^(?!ephyra_).{1,255}$/,
        {
          problem: 'is no key for metadata here',
          remedy: 'Use 1 to 255 characters; keys that begin with "ephyra_" are Ephyra\'s own.',
        },
        'a key',
      ),
      z.string().max(255).describe('a text of at most 255 characters, in quotes when it looks like a number'),
    )
    .describe(description);

const match = z
  .strictObject({
    extra: z
      .record(z.string(), plain)
      .default({})
      .describe("entries of the node's extra, e.g. { role: hadoop-worker }"),
    instanceMetadata: z
      .record(z.string(), z.string().describe('a text, in quotes when it looks like a number'))
      .default({})
      .describe("entries of the instance's metadata, e.g. { role: hadoop-worker }"),
    name: text('a pattern of node names, e.g. "worker-*"').optional(),
    flavor: text("the name of the instance's flavor").optional(),
    resourceClass: text("the node's resource class").optional(),
  })
  .describe('how a node of this role is known, e.g. { extra: { role: hadoop-worker } }');

/** The keys of one entry of `boot`. None is required here: entries complete one another. */
const boot = z
  .strictObject({
    flavor: text('the name or id of a flavor').optional(),
    image: text('the name or id of an image').optional(),
    networks: z
      .array(text('the name or id of a network'))
      .min(1)
      .describe('a list of network names or ids, e.g. [tenant-net]')
      .optional(),
    keyPair: text('the name of a key pair').nullable().optional(),
    configDrive: flag().optional(),
    userData: matching(
      /^[^\r\n]+$/,
      { problem: 'is not a path', remedy: 'Put the user data into a file of its own, and write its path.' },
      'the path of a file',
    )
      .nullable()
      .optional(),
    metadata: metadata('texts by key, e.g. { rack: r1 }').optional(),
  })
  .describe('{ flavor: ..., image: ..., networks: [...] }');

const role = z.strictObject({
  match,
  maxUnavailable: count(1, 'a number of nodes, at least 1').optional(),
  boot: z
    .record(z.string(), boot)
    .describe('what to boot, e.g. { default: { flavor: ..., image: ..., networks: [...] } }'),
});

const deadlines = {
  claim: duration('5m'),
  remove: duration('4h'),
  stop: duration('15m'),
  release: duration('2h'),
  copy: duration('10m'),
  unenroll: duration('10m'),
  enroll: duration('2h'),
  boot: duration('2h'),
  add: duration('30m'),
  verify: duration('1h'),
} satisfies Record<Step, unknown>;

const deployment = z.strictObject({
  maxUnavailable: count(1, 'a number of nodes, at least 1').default(1),
  failureDomain: z
    .strictObject({
      extra: text("the entry of a node's extra that tells its failure domain, e.g. rack").default('rack'),
      maxUnavailable: count(1, 'a number of nodes, at least 1').optional(),
    })
    .describe('{ extra: rack, maxUnavailable: 1 }')
    .prefault({}),
  canary: count(0, 'a number of nodes; 0 for no canary').default(1),
  soak: duration('5m', { zero: true }),
  failureBudget: count(0, 'a number of nodes').default(1),
  nodeAttempts: count(1, 'how often a node is tried, at least 1').default(2),
  approval: z
    .strictObject({ required: flag().default(true), allowSelf: flag().default(false), expires: duration('4h') })
    .describe('{ required: true, allowSelf: false, expires: 4h }')
    .prefault({}),
  poll: duration('10s'),
  verify: z
    .strictObject({ checks: count(1, 'a number, at least 1').default(3), interval: duration('10s') })
    .describe('{ checks: 3, interval: 10s }')
    .prefault({}),
  retries: z
    .strictObject({
      attempts: count(1, 'a number of tries, at least 1').default(4),
      backoff: duration('5s'),
      maxBackoff: duration('2m'),
    })
    .describe('{ attempts: 4, backoff: 5s, maxBackoff: 2m }')
    .prefault({}),
  lease: duration('5m', { least: 30_000 }),
  instance: matching(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    {
      problem: 'is no name for the place where Ephyra runs',
      remedy: 'Use up to 64 letters, digits, "-", "_" and ".", or leave it out: then it is the host name.',
    },
    'a name such as ephyra-prod',
  ).optional(),
  deadlines: z.strictObject(deadlines).describe('durations by step, e.g. { boot: 2h }').prefault({}),
});

const slackId = (letters: string, what: string) =>
  matching(
    new RegExp(`^[${letters}][A-Z0-9]{2,}$`),
    {
      problem: `is not the id of a ${what}`,
      remedy: `Write the id, which begins with ${[...letters].join(' or ')}; in Slack: "Copy ${what} ID". Names can be changed by others.`,
    },
    `the id of a ${what}, which begins with ${[...letters].join(' or ')}`,
  );

const people = z
  .strictObject({
    users: z.array(slackId('UW', 'member')).default([]).describe('a list of user ids'),
    groups: z.array(slackId('S', 'user group')).default([]).describe('a list of user group ids'),
  })
  .describe('{ users: [...], groups: [...] }');

const port = (least: number) => z.int().min(least).max(65_535).describe('a port number');

const slack = z.strictObject({
  mode: z.enum(['socket', 'http']).describe('socket or http'),
  channel: slackId('CG', 'channel'),
  botToken: secret(secretPlace('SLACK_BOT_TOKEN')),
  appToken: secret(secretPlace('SLACK_APP_TOKEN')).optional(),
  signingSecret: secret(secretPlace('SLACK_SIGNING_SECRET')).optional(),
  port: port(0).default(3000),
  operators: people,
  approvers: people.prefault({}),
  apiUrl: z
    .url({ protocol: /^https?$/ })
    .default('https://slack.com/api/')
    .describe('an address, e.g. https://slack.com/api/'),
});

const address = matching(
  /^[A-Za-z0-9.:_-]+$/,
  {
    problem: 'is not an address to listen on',
    remedy: 'Write an IP address or host name without port, e.g. 127.0.0.1.',
  },
  'an address, e.g. 127.0.0.1',
);

export const fileSchema = z.strictObject({
  controlPlanes: z
    .record(controlPlaneName, controlPlane)
    .describe('at least two control planes, e.g. { cp1: { cloud: cp1 }, cp2: { cloud: cp2 } }'),
  roles: z
    .record(roleName, role)
    .describe('at least one role, with "match" and "boot", in the order in which they are moved'),
  application: z
    .strictObject({
      plugin: text('hadoop, exec, none or the name of an npm package').default('none'),
      options: z.record(z.string(), z.unknown()).default({}).describe("the plugin's options"),
    })
    .describe('{ plugin: NAME, options: {...} }')
    .prefault({}),
  deployment: deployment.describe('the settings of deployments, e.g. { maxUnavailable: 2 }').prefault({}),
  slack: slack.describe('the settings of Slack as in ephyra.example.yml, or remove the key').optional(),
  store: text('the path of the JSON file').default('./data/ephyra.json'),
  http: z
    .strictObject({ host: address.default('127.0.0.1'), port: port(0).default(8080) })
    .describe('{ host: ADDRESS, port: NUMBER }')
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(LOG_LEVELS).default('info').describe(LOG_LEVELS.join(', ')) })
    .describe('{ level: info }')
    .prefault({}),
});

/** The file's content after parsing: defaults applied, durations in milliseconds, secrets not yet looked up. */
export type FileContent = z.output<typeof fileSchema>;
export type BootContent = z.output<typeof boot>;
