import type { Faults } from './faults.ts';
import type { Hdfs, WantedAdmin } from './hdfs.ts';
import { type HostsFile, readCombined, readExcludes, readPlain } from './hostsFiles.ts';
import { type Machine, SERVICES, type ServiceId } from './model.ts';
import { reportDead } from './nameNode.ts';
import type { Services } from './services.ts';
import type { RefreshMode, Yarn } from './yarn.ts';

/** The files that the daemons read at a refresh; those not configured are missing. */
export interface HostsFiles {
  readonly yarnExclude?: HostsFile;
  readonly yarnInclude?: HostsFile;
  /** `dfs.hosts`: the combined JSON file, or the plain include file when `dfsExclude` is there. */
  readonly dfsHosts?: HostsFile;
  readonly dfsExclude?: HostsFile;
}

export interface CommandRequest {
  readonly program: 'yarn' | 'hdfs';
  readonly argv: readonly string[];
  readonly files: HostsFiles;
}

export interface CommandAnswer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** `-client`: to be asked again with `--check` until nobody is decommissioning, for so many seconds (-1: no end). */
  readonly waitSec?: number;
}

interface Cluster {
  readonly yarn: Yarn;
  readonly hdfs: Hdfs;
  readonly services: Services;
  readonly faults: Faults;
  readonly machines: ReadonlyMap<string, Machine>;
}

const ok = (stdout: string): CommandAnswer => ({ exitCode: 0, stdout, stderr: '' });
const refused = (stderr: string, exitCode = 255): CommandAnswer => ({ exitCode, stdout: '', stderr });

/** The admin commands of Hadoop that the emulator knows, with the arguments that the real ones take. */
export function runCommand(cluster: Cluster, request: CommandRequest): CommandAnswer {
  const { program, argv } = request;
  const [tool, verb, ...rest] = argv;
  if (cluster.faults.refreshFails()) return refused(`${verb ?? tool}: Call From localhost failed: Connection refused`);
  if (program === 'yarn' && tool === 'rmadmin') {
    if (verb === '-refreshNodes') return refreshYarn(cluster, rest, request.files);
    if (verb === '--check') return ok(cluster.yarn.decommissioning().join(','));
    if (verb === '-transitionToActive' || verb === '-transitionToStandby')
      return transition(cluster, verb, rest, request.files);
  }
  if (program === 'yarn' && argv.slice(0, 3).join(' ') === '--daemon start nodemanager') {
    return startNodeManager(cluster, argv[3] ?? '');
  }
  if (program === 'hdfs' && tool === 'dfsadmin' && verb === '-refreshNodes') return refreshHdfs(cluster, request.files);
  if (program === 'hdfs' && tool === 'dfsadmin' && verb === '-report' && rest.join() === '-dead') {
    return ok(reportDead(cluster.hdfs));
  }
  if (program === 'hdfs' && tool === 'haadmin' && verb === '-failover') {
    const [from, to] = rest.filter((arg) => !arg.startsWith('-')).map(serviceId);
    if (!from || !to) return refused('failover: not enough arguments');
    const wrong = cluster.services.transfer(from, to);
    return wrong === null ? ok(`Failover from ${from} to ${to} successful`) : refused(`failover: ${wrong}`);
  }
  return refused(`${program}: unknown command: ${argv.join(' ')}`);
}

function refreshYarn(cluster: Cluster, args: readonly string[], files: HostsFiles): CommandAnswer {
  if (!cluster.services.active('rm')) return refused('refreshNodes: no active ResourceManager');
  const mode = refreshMode(args);
  if (mode === null)
    return refused('Usage: yarn rmadmin [-refreshNodes [-g|graceful [timeout in seconds] -client|server]]');
  let excludes: ReturnType<typeof readExcludes>;
  try {
    excludes = readExcludes(files.yarnExclude);
  } catch (error) {
    return refused(`refreshNodes: ${(error as Error).message}`);
  }
  const includes = files.yarnInclude ? readPlain(files.yarnInclude.content) : new Set<string>();
  cluster.yarn.refresh(
    mode.mode,
    (host, address) => excludes.get(host) ?? excludes.get(address),
    (host, address) => includes.size === 0 || includes.has(host) || includes.has(address),
  );
  const answer = ok('');
  if (!mode.client || !mode.mode.graceful) return answer;
  return { ...answer, waitSec: mode.mode.timeoutSec };
}

/** The arguments after `-refreshNodes`; null when the real command would print its usage. */
function refreshMode(args: readonly string[]): { mode: RefreshMode; client: boolean } | null {
  if (args.length === 0) return { mode: { graceful: false }, client: false };
  const [flag, ...rest] = args;
  if (flag !== '-g' && flag !== '-graceful') return null;
  const timeout = rest[0] !== undefined && /^-?\d+$/.test(rest[0]) ? Number(rest.shift()) : -1;
  const tracking = rest.shift();
  if ((tracking !== '-client' && tracking !== '-server') || rest.length > 0 || timeout < -1) return null;
  return { mode: { graceful: true, timeoutSec: timeout }, client: tracking === '-client' };
}

/** On the machine itself the command needs no host; the emulator has no machines to log in to. */
function startNodeManager(cluster: Cluster, host: string): CommandAnswer {
  const machine = cluster.machines.get(host);
  if (!machine?.daemons) return refused(`${host}: No route to host`);
  machine.nodeManager = true;
  return ok('');
}

function refreshHdfs(cluster: Cluster, files: HostsFiles): CommandAnswer {
  const nameNodes = cluster.services.of('nn');
  const reached = nameNodes.filter((nn) => nn.state !== 'down');
  let wanted: (host: string, address: string) => WantedAdmin;
  let allowed: (host: string, address: string) => boolean;
  try {
    if (files.dfsExclude || !files.dfsHosts) {
      const excludes = readPlain(files.dfsExclude?.content ?? '');
      const includes = readPlain(files.dfsHosts?.content ?? '');
      wanted = (host, address) => ({
        state: excludes.has(host) || excludes.has(address) ? 'decommissioned' : 'normal',
        until: 0,
      });
      allowed = (host, address) => includes.size === 0 || includes.has(host) || includes.has(address);
    } else {
      const combined = readCombined(files.dfsHosts.content);
      wanted = (host, address) => combined.wanted([host, address]);
      allowed = (host, address) => combined.allowed([host, address]);
    }
  } catch (error) {
    return refused(`refreshNodes: ${(error as Error).message}`);
  }
  if (reached.some((nn) => nn.state === 'active')) cluster.hdfs.refresh(wanted, allowed);
  const stdout = reached.map((nn) => `Refresh nodes successful for ${nn.id}`).join('\n');
  const failed = nameNodes.filter((nn) => nn.state === 'down');
  if (failed.length === 0) return ok(stdout);
  return { exitCode: 255, stdout, stderr: failed.map((nn) => `Refresh nodes failed for ${nn.id}`).join('\n') };
}

function transition(cluster: Cluster, verb: string, args: readonly string[], files: HostsFiles): CommandAnswer {
  const id = serviceId(args.find((arg) => !arg.startsWith('-')) ?? '');
  if (!id) return refused(`${verb.slice(1)}: incorrect number of arguments`);
  if (verb === '-transitionToStandby') {
    const wrong = cluster.services.standDown(id);
    return wrong === null ? ok('') : refused(`transitionToStandby: ${wrong}`);
  }
  const wrong = cluster.services.stepUp(id);
  if (wrong !== null) return refused(`transitionToActive: ${wrong}`);
  // The new one reads its hosts files, and who is excluded is out at once.
  return refreshYarn(cluster, [], files);
}

function serviceId(text: string): ServiceId | undefined {
  return SERVICES.find((id) => id === text);
}
