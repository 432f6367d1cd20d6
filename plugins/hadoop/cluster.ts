import { Failure } from '../../machines/errors.ts';
import type { PluginContext, PluginSetup } from '../../machines/plugin.ts';
import { coalesce, oneAtATime, throwIfAborted, untilAborted } from '../support/wait.ts';
import { editCombined, readCombined } from './hosts/combined.ts';
import { editPlain, hostsInPlain } from './hosts/plain.ts';
import { editXml, hostsInXml } from './hosts/xml.ts';
import { type SharedHostsFile, sharedHostsFile } from './hostsFile.ts';
import { httpClient, NoAnswer } from './http.ts';
import { type HdfsNode, readHdfs } from './nameNode.ts';
import { parseReport } from './report.ts';
import { readYarn } from './resourceManager.ts';
import { type AdminHost, adminHost, explain } from './runner.ts';
import { type Endpoint, endpoints, type HadoopOptions } from './schema.ts';
import { type Snapshot, snapshots } from './snapshot.ts';

/**
 * How a command ended: null when it said that all was well, else why not. A refresh that says it failed may have had
 * its effect even so: with one NameNode of two down, `dfsadmin -refreshNodes` reaches the other and exits with an error.
 */
export type Outcome = { readonly problem: string; readonly started: boolean } | null;

/** The means by which the plugin sees and changes a Hadoop cluster. */
export interface Cluster {
  readonly options: HadoopOptions;
  readonly setup: PluginSetup;
  readonly resourceManagers: readonly Endpoint[];
  readonly nameNodes: readonly Endpoint[];
  /** One reading of everything; see `snapshots`. */
  readonly look: (notBefore?: number) => Promise<Snapshot>;
  /** Writes the wish that these hosts leave or return; resolves with whether YARN's file, HDFS's file changed. */
  readonly exclude: (hosts: readonly string[], what: Wish, signal: AbortSignal) => Promise<Changed>;
  readonly include: (hosts: { before: readonly string[]; after: readonly string[] }, what: Wish) => Promise<Changed>;
  /** The hosts, in lower case, that YARN's exclude file names. */
  readonly excludedFromYarn: () => Promise<ReadonlySet<string>>;
  /** All dead DataNodes, those among them that JMX hides. Throws {@link NoAnswer}. */
  readonly deadDataNodes: () => Promise<readonly HdfsNode[]>;
  readonly refreshYarn: () => Promise<Outcome>;
  readonly refreshHdfs: () => Promise<Outcome>;
  /**
   * Runs work on YARN's masters while nobody is being excluded and no refresh is under way, and holds both back until
   * it is done: between two active ResourceManagers a refresh fails, and a drain that has just begun would be cut off.
   */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
  /**
   * Services on masters that were let go and are not back yet, as "kind id": they answer until their machine is stopped, and
   * nobody may rely on one of them meanwhile.
   */
  readonly letGo: Set<string>;
  /** Failovers that were begun and are not known to have ended, by what fails over. */
  readonly begun: Map<'ResourceManager' | 'NameNode', Failover>;
  /** Runs commands one after the other on the first admin host that can start them, filling in {placeholders}. */
  readonly run: (commands: readonly (readonly string[])[], values: Readonly<Record<string, string>>) => Promise<void>;
  readonly close: () => void;
}

export interface Failover {
  /** Ids of services. */
  readonly from: string;
  readonly to: string;
  /** Its commands are running now. */
  readonly running: boolean;
}

export interface Wish {
  readonly yarn: boolean;
  readonly hdfs: 'decommission' | 'maintenance' | false;
}

export interface Changed {
  readonly yarn: boolean;
  readonly hdfs: boolean;
}

export function createCluster(options: HadoopOptions, setup: PluginSetup): Cluster {
  const resourceManagers = endpoints(options.resourceManagers, 'rm');
  const nameNodes = endpoints(options.nameNodes, 'nn');
  const get = httpClient(options.http);
  const hosts = options.adminHosts.map((host) => adminHost(host, options.commandTimeout));
  const file = (path: string | undefined) => (path === undefined ? undefined : sharedHostsFile(path, hosts));
  const files = {
    yarnExclude: file(options.yarn.excludeFile),
    yarnInclude: file(options.yarn.includeFile),
    dfsHosts: file(options.hdfs.hostsFile),
    dfsExclude: file(options.hdfs.excludeFile),
    dfsInclude: file(options.hdfs.includeFile),
  };
  const closing = new AbortController();
  const command = async (argv: readonly string[], timeoutMs: number): Promise<Outcome> =>
    (await onFirst(hosts, argv, { timeoutMs, signal: closing.signal })).problem;

  const alone = oneAtATime();

  const refreshYarn = async (): Promise<Outcome> => {
    const { command: program, gracefulTimeout, tracking } = options.yarn;
    // Always graceful, on the way back, too: without -g every other node that is still draining would be cut off.
    const timeout = gracefulTimeout === null ? [] : [String(Math.ceil(gracefulTimeout / 1000))];
    const argv = [...program, 'rmadmin', '-refreshNodes', '-g', ...timeout, `-${tracking}`];
    if (tracking === 'server') return command(argv, options.commandTimeout);
    // With -client the command itself waits until the nodes are out: its end is not waited for.
    const limit = gracefulTimeout === null ? MAX_CLIENT_WAIT_MS : gracefulTimeout + options.commandTimeout;
    const ended = command(argv, limit);
    const soon = setup.sleep(CLIENT_START_MS, closing.signal).then(() => null);
    return Promise.race([ended, soon.catch(() => null)]);
  };

  let leader = { id: '', since: 0 };
  const settled = (id: string): boolean => {
    if (leader.id !== id) leader = { id, since: setup.elapsed() };
    return setup.elapsed() - leader.since >= options.settle;
  };

  return {
    options,
    setup,
    resourceManagers,
    nameNodes,
    look: snapshots(
      async () => {
        const [yarn, hdfs] = await Promise.all([
          resourceManagers.length === 0 ? null : readYarn(get, resourceManagers, settled),
          nameNodes.length === 0 ? null : readHdfs(get, nameNodes),
        ]);
        return { yarn, hdfs };
      },
      setup.now,
      options.cache,
    ),
    async exclude(names, wish, signal) {
      // One after the other: when one file cannot be written, the node is not half out.
      const hdfs = wish.hdfs === false ? false : await leaveHdfs(files, names, wish.hdfs, options, setup.date());
      const yarn =
        wish.yarn &&
        (await alone(() => {
          // It may have waited long for its turn: what is no longer wanted is not begun.
          throwIfAborted(signal);
          return editYarn(files.yarnExclude, { add: names, remove: [] }, options);
        }));
      return { yarn, hdfs };
    },
    async include({ before, after }, wish) {
      const gone = before.filter((host) => !after.includes(host));
      const all = [...new Set([...before, ...after])];
      const listed = { add: after, remove: after.length > 0 ? gone : [] };
      const hdfs = wish.hdfs !== false && (await returnToHdfs(files, all, gone, after, listed));
      const excluded = wish.yarn && (await editYarn(files.yarnExclude, { add: [], remove: all }, options));
      const included = wish.yarn && ((await files.yarnInclude?.edit((text) => editPlain(text, listed))) ?? false);
      return { yarn: excluded || included, hdfs };
    },
    async excludedFromYarn() {
      const text = (await files.yarnExclude?.read()) ?? '';
      const listed = isXml(options.yarn.excludeFile) ? hostsInXml(text) : hostsInPlain(text);
      return new Set(listed.map((host) => host.toLowerCase()));
    },
    deadDataNodes: coalesce(async () => {
      const { result, problem } = await onFirst(hosts, [...options.hdfs.command, 'dfsadmin', '-report', '-dead'], {
        timeoutMs: options.commandTimeout,
        signal: closing.signal,
      });
      if (problem !== null) throw new NoAnswer(`hdfs dfsadmin -report -dead failed ${problem.problem}`);
      return parseReport(result);
    }),
    refreshYarn: coalesce(() => alone(refreshYarn)),
    alone,
    begun: new Map(),
    letGo: new Set(),
    refreshHdfs: coalesce(() =>
      command([...options.hdfs.command, 'dfsadmin', '-refreshNodes'], options.commandTimeout),
    ),
    async run(commands, values) {
      for (const argv of commands) {
        const filled = argv.map((word) => word.replaceAll(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole));
        const outcome = await command(filled, options.commandTimeout);
        if (outcome !== null) {
          throw new Failure({
            reason: 'application_refused',
            next: 'retry',
            message: `"${filled.join(' ')}" failed ${outcome.problem}.`,
          });
        }
      }
    },
    close: () => closing.abort(),
  };
}

/** A week: `-client` without a time-out of its own. */
const MAX_CLIENT_WAIT_MS = 7 * 24 * 3_600_000;
/** So long a `-client` refresh has to fail at once, if it fails. */
const CLIENT_START_MS = 3_000;

function isXml(path: string | undefined): boolean {
  return path?.toLowerCase().endsWith('.xml') ?? false;
}

async function editYarn(
  file: SharedHostsFile | undefined,
  change: { add: readonly string[]; remove: readonly string[] },
  options: HadoopOptions,
): Promise<boolean> {
  if (!file) return false;
  if (!isXml(file.path)) return file.edit((text) => editPlain(text, change));
  const { gracefulTimeout } = options.yarn;
  // -1 is YARN's own word for "without end".
  const timeoutSec = gracefulTimeout === null ? -1 : Math.ceil(gracefulTimeout / 1000);
  return file.edit((text) => editXml(text, { ...change, timeoutSec }));
}

interface HdfsFiles {
  readonly dfsHosts: SharedHostsFile | undefined;
  readonly dfsExclude: SharedHostsFile | undefined;
  readonly dfsInclude: SharedHostsFile | undefined;
}

async function leaveHdfs(
  files: HdfsFiles,
  names: readonly string[],
  how: 'decommission' | 'maintenance',
  options: HadoopOptions,
  now: number,
): Promise<boolean> {
  if (!files.dfsHosts) return files.dfsExclude?.edit((text) => editPlain(text, { add: names, remove: [] })) ?? false;
  const { maintenanceFor } = options.hdfs;
  return files.dfsHosts.edit((text) =>
    editCombined(
      text,
      names,
      how === 'decommission'
        ? { state: 'DECOMMISSIONED' }
        : {
            state: 'IN_MAINTENANCE',
            until: maintenanceFor === undefined ? null : now + maintenanceFor,
            // Asked again, the end is put off only when it has come near: else every look would be a change.
            keepAfter: now + (maintenanceFor ?? 0) / 2,
          },
    ),
  );
}

async function returnToHdfs(
  files: HdfsFiles,
  all: readonly string[],
  gone: readonly string[],
  after: readonly string[],
  listed: { add: readonly string[]; remove: readonly string[] },
): Promise<boolean> {
  if (files.dfsHosts) {
    return files.dfsHosts.edit((text) => {
      const back = editCombined(text, after.length > 0 ? after : all, { state: 'NORMAL' });
      if (after.length === 0 || gone.length === 0) return back;
      // The old address is nobody's any more: its entry would be listed as a dead node for ever.
      const left = readCombined(back).filter((entry) => !gone.includes(entry.hostName.toLowerCase()));
      if (left.length === readCombined(back).length) return back;
      return `[\n${left.map((entry) => `  ${JSON.stringify(entry)}`).join(',\n')}\n]\n`;
    });
  }
  const excluded = (await files.dfsExclude?.edit((text) => editPlain(text, { add: [], remove: all }))) ?? false;
  const included = (await files.dfsInclude?.edit((text) => editPlain(text, listed))) ?? false;
  return excluded || included;
}

/** Runs a command on the first admin host on which it can be started at all. `result` is what it printed. */
async function onFirst(
  hosts: readonly AdminHost[],
  argv: readonly string[],
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<{ result: string; problem: Outcome }> {
  const problems: string[] = [];
  let started = false;
  for (const host of hosts) {
    const result = await host.run(argv, options);
    if (result.code === 0) return { result: result.stdout, problem: null };
    problems.push(`on ${host.name}: ${explain(result)}`);
    if (result.notStarted === null) started = true;
    // 255 from ssh: the host was not reached; the next one may be. Anything else is the command's own answer.
    if (result.notStarted === null && result.code !== 255) break;
  }
  return { result: '', problem: { problem: problems.join('; '), started } };
}

/**
 * Refreshes what has changed; the waiting ends with the signal, the refresh itself does not. Resolves with what the
 * commands complained about, or null. Throws when one cannot be started at all: no repetition will change that.
 */
export async function refresh(cluster: Cluster, what: Changed, context: PluginContext): Promise<string | null> {
  throwIfAborted(context.signal);
  const outcomes = Promise.all([what.yarn ? cluster.refreshYarn() : null, what.hdfs ? cluster.refreshHdfs() : null]);
  const [yarn, hdfs] = await untilAborted(outcomes, context.signal);
  const { options } = cluster;
  for (const [outcome, option, argv] of [
    [yarn, 'yarn.command', options.yarn.command],
    [hdfs, 'hdfs.command', options.hdfs.command],
  ] as const) {
    if (outcome === null || outcome.started) continue;
    throw new Failure({
      reason: 'application_refused',
      next: 'stop',
      message: `The admin command could not be started ${outcome.problem}.`,
      remedy: `Check application.options.${option} (${argv.join(' ')}) and adminHosts.`,
    });
  }
  const problems = [
    yarn === null ? '' : `yarn rmadmin -refreshNodes failed ${yarn.problem}`,
    hdfs === null ? '' : `hdfs dfsadmin -refreshNodes failed ${hdfs.problem}`,
  ].filter((problem) => problem !== '');
  return problems.length === 0 ? null : problems.join('; ');
}
