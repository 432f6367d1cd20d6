import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { duration } from '../support/duration.ts';

const argv = z
  .array(z.string())
  .min(1, 'must be a list: the program, then its arguments, e.g. ["sudo", "-u", "yarn", "yarn"]');

const url = z
  .url({ protocol: /^https?$/, error: 'must be an http:// or https:// address, e.g. http://rm1.example.com:8088' })
  .refine((text) => {
    const { username, password } = new URL(text);
    return username === '' && password === '';
  }, 'must not contain a user or password: use http.basic');

/** Web address of one ResourceManager or NameNode. `node`: instance or node name of the machine that it runs on. */
const endpoint = z.union(
  [
    url.transform((address) => ({ url: address })),
    z.strictObject({ url, id: z.string().min(1).optional(), node: z.string().min(1).optional() }),
  ],
  { error: 'must be an address such as http://rm1.example.com:8088, or { url, id, node }' },
);

/** A secret: read from the environment or a file, never written in the configuration. */
const secret = z.union([z.strictObject({ env: z.string() }), z.strictObject({ file: z.string() })], {
  error: 'must be { env: NAME } or { file: PATH }, not the secret itself',
});

const role = z.strictObject({
  /** Take its NodeManager out by graceful decommission. */
  yarn: z.boolean().default(false),
  /** Take its DataNode out by decommission or maintenance. */
  hdfs: z
    .union([z.literal('decommission'), z.literal('maintenance'), z.literal(false)], {
      error: 'must be decommission, maintenance or false',
    })
    .default(false),
  /** It runs a ResourceManager or NameNode: one of the addresses must be bound to the node. */
  master: z.boolean().default(false),
});
export type RoleOptions = z.output<typeof role>;

const ssh = z.strictObject({
  host: z
    .string()
    .regex(/^[A-Za-z0-9_.:[\]-]+$/, 'must be a host name or address')
    .refine((h) => !h.startsWith('-'), 'must not start with "-"'),
  user: z
    .string()
    .regex(/^[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?$/, 'must be a user name')
    .optional(),
  port: z.number().int().min(1).max(65_535).optional(),
  identityFile: z.string().optional(),
  /** The ssh program, with arguments of your own before ours. */
  command: argv.default(['ssh']),
});
export type SshOptions = z.output<typeof ssh>;

const adminHost = z.union([z.literal('local'), z.strictObject({ ssh })], {
  error: 'must be "local" or { ssh: { host: ... } }',
});
export type AdminHostOptions = z.output<typeof adminHost>;

const hostFrom = z.enum(['instanceName', 'nodeName', 'address']);

const base = z.strictObject({
  resourceManagers: z.array(endpoint).default([]),
  nameNodes: z.array(endpoint).default([]),
  /** How Hadoop calls a machine: by its instance's name, its node's name, or its address; with a suffix if need be. */
  host: z
    .union(
      [
        hostFrom.transform((from) => ({ from, suffix: '' })),
        z.strictObject({ from: hostFrom, suffix: z.string().default('') }),
      ],
      { error: 'must be instanceName, nodeName or address, or { from: one of them, suffix: ".example.com" }' },
    )
    .prefault('instanceName'),
  roles: z.record(z.string(), role),
  /** Where the hosts files lie and the commands run: the files are written on all, a command runs on the first that can. */
  adminHosts: z.array(adminHost).min(1).default(['local']),
  yarn: z
    .strictObject({
      command: argv.default(['yarn']),
      /** `yarn.resourcemanager.nodes.exclude-path`; a name that ends in .xml is kept as XML, as YARN goes by it. */
      excludeFile: z.string().optional(),
      /** `yarn.resourcemanager.nodes.include-path`, when there is one. */
      includeFile: z.string().optional(),
      /** How long containers may still run on a node that leaves; `none`: until they end. */
      gracefulTimeout: z
        .union([z.literal('none').transform(() => null), duration], {
          error: 'must be a duration such as 30m, 4h, or none to wait until the containers end',
        })
        .prefault('1h'),
      /** Who watches over that time. */
      tracking: z.enum(['server', 'client']).default('server'),
      /** Commands that make another ResourceManager active; {from} and {to} are their ids. None: a person does it. */
      failover: z.array(argv).default([]),
      /** Starts the NodeManager of a node that YARN had told to shut down; {host} is its Hadoop name. */
      startNode: argv.optional(),
    })
    .prefault({}),
  hdfs: z
    .strictObject({
      command: argv.default(['hdfs']),
      /** `dfs.hosts` as the combined JSON file (CombinedHostFileManager). Needed for maintenance. */
      hostsFile: z.string().optional(),
      /** `dfs.hosts.exclude`, plain; instead of hostsFile. */
      excludeFile: z.string().optional(),
      /** `dfs.hosts`, plain, with excludeFile, when there is one. */
      includeFile: z.string().optional(),
      /** Maintenance ends by itself after so long. Default: never. */
      maintenanceFor: duration.optional(),
      /** Commands that make another NameNode active; default `hdfs haadmin -failover {from} {to}`. */
      failover: z.array(argv).optional(),
    })
    .prefault({}),
  http: z
    .strictObject({
      timeout: duration.prefault('10s'),
      /** Simple authentication: sent as user.name. */
      userName: z.string().optional(),
      basic: z.strictObject({ username: z.string(), password: secret }).optional(),
      caFile: z.string().optional(),
      verify: z.boolean().default(true),
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** Blocks with too few replicas, those of nodes that are leaving not counted. */
      underReplicatedBlocks: z.number().int().nonnegative().default(100),
      /** Machines that died in service: they count against maxUnavailable anyway; beyond so many nothing moves. */
      deadNodes: z.number().int().nonnegative().default(1),
      /** NodeManagers that call themselves unhealthy, likewise. */
      unhealthyNodes: z.number().int().nonnegative().default(1),
      /** A DataNode's heartbeat older than this is not fresh. */
      heartbeat: duration.prefault('30s'),
    })
    .prefault({}),
  /** Hadoop's names of machines that it still lists but that are no members any more. */
  ignoreHosts: z.array(z.string()).default([]),
  /** How often a remove or add looks again. */
  poll: duration.prefault('5s'),
  /** How old an answer may be that is shared by several questions. */
  cache: duration.prefault('1s'),
  /** An admin command that runs longer has failed. */
  commandTimeout: duration.prefault('2m'),
  /** When a refresh shows no effect, it is run again after this: name servers may have answered with an old address. */
  refreshAgain: duration.prefault('1m'),
  /** Who is not listed by a ResourceManager counts as gone only when that one has been seen active for so long. */
  settle: duration.prefault('1m'),
  /** Masters that do not answer for so long end a remove or add. */
  silence: duration.prefault('2m'),
});

/** Options of the plugin `hadoop`. */
export const hadoopOptions = base.superRefine((options, context) => {
  const problem = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
  const roles = Object.values(options.roles);
  const yarn = roles.some((r) => r.yarn);
  const hdfs = roles.some((r) => r.hdfs !== false);
  if (yarn && options.resourceManagers.length === 0) {
    problem(['resourceManagers'], 'a role has yarn: true, so the ResourceManagers must be named, all of them');
  }
  if (yarn && options.yarn.excludeFile === undefined) {
    problem(
      ['yarn', 'excludeFile'],
      "a role has yarn: true, so YARN's exclude file must be named (yarn.resourcemanager.nodes.exclude-path)",
    );
  }
  if (hdfs && options.nameNodes.length === 0) {
    problem(['nameNodes'], 'a role has hdfs, so the NameNodes must be named, all of them');
  }
  if (hdfs && options.hdfs.hostsFile === undefined && options.hdfs.excludeFile === undefined) {
    problem(
      ['hdfs', 'hostsFile'],
      'a role has hdfs, so hostsFile (combined JSON) or excludeFile (plain) must be named',
    );
  }
  if (options.hdfs.hostsFile !== undefined && options.hdfs.excludeFile !== undefined) {
    problem(
      ['hdfs', 'excludeFile'],
      'is for the plain format and hostsFile for the combined one: name only the one in use',
    );
  }
  for (const [name, r] of Object.entries(options.roles)) {
    if (r.hdfs === 'maintenance' && options.hdfs.hostsFile === undefined) {
      problem(
        ['roles', name, 'hdfs'],
        'maintenance needs the combined hosts file: set hdfs.hostsFile, or use decommission',
      );
    }
  }
  if (options.resourceManagers.length === 0 && options.nameNodes.length === 0) {
    problem(['nameNodes'], 'neither ResourceManagers nor NameNodes are named: there is nobody to ask');
  }
  if (options.host.from === 'address') {
    // The old address would stay listed as a dead node until the masters are restarted.
    if (yarn && options.yarn.includeFile === undefined) {
      problem(['yarn', 'includeFile'], 'is needed with host: address, where a node has another name after its move');
    }
    if (hdfs && options.hdfs.includeFile === undefined && options.hdfs.hostsFile === undefined) {
      problem(['hdfs', 'includeFile'], 'is needed with host: address, where a node has another name after its move');
    }
  }
  for (const [list, prefix] of [
    ['resourceManagers', 'rm'],
    ['nameNodes', 'nn'],
  ] as const) {
    const ids = options[list].map((one, index) => ('id' in one && one.id) || `${prefix}${index + 1}`);
    const twice = ids.find((id, index) => ids.indexOf(id) !== index);
    if (twice !== undefined) problem([list], `two have the id "${twice}"`);
  }
});
export type HadoopOptions = z.output<typeof hadoopOptions>;

/** One ResourceManager or NameNode to ask. */
export interface Endpoint {
  /** Hadoop's own id of it (`yarn.resourcemanager.ha.rm-ids`, `dfs.ha.namenodes`): failover commands name it. */
  readonly id: string;
  readonly url: string;
  /** Instance or node name of its machine; null when not told. */
  readonly node: string | null;
}

export function endpoints(list: HadoopOptions['nameNodes'], prefix: 'rm' | 'nn'): Endpoint[] {
  return list.map((one, index) => ({
    id: ('id' in one ? one.id : undefined) ?? `${prefix}${index + 1}`,
    url: one.url.replace(/\/+$/, ''),
    node: ('node' in one ? one.node : undefined) ?? null,
  }));
}

/** Reads a secret; throws an error that names where it was looked for, never what was found. */
export function readSecret(from: z.output<typeof secret>): string {
  if ('env' in from) {
    const value = process.env[from.env];
    if (value === undefined || value === '') throw new Error(`The environment variable ${from.env} is not set.`);
    return value;
  }
  return readFileSync(from.file, 'utf8').trim();
}
