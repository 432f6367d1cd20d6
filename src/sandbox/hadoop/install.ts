import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HadoopUrls } from './listen.ts';
import type { HadoopConfig } from './model.ts';

/**
 * The commands `yarn` and `hdfs` of an installation, as far as the emulator has them: they read the hosts files, as
 * the daemons of a real cluster do, and hand them with their arguments to the emulator. A script of its own rather
 * than a module of this program: it must run as a process, built or not.
 */
const COMMAND = `#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const conf = JSON.parse(readFileSync(join(here, 'emulator.json'), 'utf8'));
const program = basename(process.argv[1]).replace(/\\.mjs$/, '');

function run(argv) {
  const files = {};
  for (const [key, path] of Object.entries(conf.files)) {
    try {
      files[key] = { name: basename(path), content: readFileSync(path, 'utf8') };
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  const body = JSON.stringify({ program, argv, files });
  return new Promise((resolve, reject) => {
    const call = request(conf.url + '/command', { method: 'POST', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve(JSON.parse(text)));
    });
    call.on('error', reject).end(body);
  });
}

const argv = process.argv.slice(2);
let answer = await run(argv);
if (answer.waitSec !== undefined) {
  const end = answer.waitSec < 0 ? Infinity : Date.now() + (answer.waitSec + 5) * 1000;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    if ((await run(['rmadmin', '--check'])).stdout === '') break;
    if (Date.now() >= end) {
      answer = await run(['rmadmin', '-refreshNodes']);
      break;
    }
  }
}
if (answer.stdout) console.log(answer.stdout);
if (answer.stderr) console.error(answer.stderr);
process.exitCode = answer.exitCode;
`;

export interface Installation {
  /** The programs to run. */
  readonly yarn: string;
  readonly hdfs: string;
  readonly yarnExclude: string;
  /** The combined JSON hosts file. */
  readonly dfsHosts: string;
}

/** Puts the commands and empty hosts files of an emulated cluster into a folder (made if need be). */
export async function installHadoop(folder: string, adminUrl: string): Promise<Installation> {
  const bin = join(folder, 'bin');
  const conf = join(folder, 'conf');
  await mkdir(bin, { recursive: true });
  await mkdir(conf, { recursive: true });
  const paths: Installation = {
    yarn: join(bin, 'yarn.mjs'),
    hdfs: join(bin, 'hdfs.mjs'),
    yarnExclude: join(conf, 'yarn.exclude'),
    dfsHosts: join(conf, 'dfs.hosts.json'),
  };
  for (const program of [paths.yarn, paths.hdfs]) {
    await writeFile(program, COMMAND);
    await chmod(program, 0o755);
  }
  const files = { yarnExclude: paths.yarnExclude, dfsHosts: paths.dfsHosts };
  await writeFile(join(bin, 'emulator.json'), JSON.stringify({ url: adminUrl, files }));
  await writeFile(paths.yarnExclude, '');
  await writeFile(paths.dfsHosts, '[]\n');
  return paths;
}

/**
 * The options of the plugin `hadoop` (`application.options` in ephyra.yml) for an emulated cluster. Workers are taken
 * out of YARN and decommissioned in HDFS, as their disks do not survive the move.
 */
export function hadoopOptions(
  urls: HadoopUrls,
  installation: Installation,
  config: Pick<HadoopConfig, 'nodes' | 'services'>,
  roles: { readonly worker: readonly string[]; readonly master: readonly string[] } = {
    worker: ['hadoop-worker'],
    master: ['hadoop-master'],
  },
): Record<string, unknown> {
  const masters = config.nodes.filter((node) => node.role === 'master').map((node) => node.host);
  const endpoint = (id: 'rm1' | 'rm2' | 'nn1' | 'nn2', index: number) => {
    const placed = config.services?.[id];
    const node = placed === undefined ? masters[index] : placed;
    return { id, url: urls[id], ...(typeof node === 'string' ? { node } : {}) };
  };
  const command = (program: string) => [process.execPath, program];
  return {
    resourceManagers: [endpoint('rm1', 0), endpoint('rm2', 1)],
    nameNodes: [endpoint('nn1', 0), endpoint('nn2', 1)],
    host: { from: 'instanceName' },
    roles: Object.fromEntries([
      ...roles.worker.map((role) => [role, { yarn: true, hdfs: 'decommission' }]),
      ...roles.master.map((role) => [role, { master: true }]),
    ]),
    yarn: {
      command: command(installation.yarn),
      excludeFile: installation.yarnExclude,
      failover: [
        [...command(installation.yarn), 'rmadmin', '-transitionToStandby', '{from}'],
        [...command(installation.yarn), 'rmadmin', '-transitionToActive', '{to}'],
      ],
    },
    hdfs: { command: command(installation.hdfs), hostsFile: installation.dfsHosts },
    limits: { heartbeat: '2s' },
    poll: '300ms',
    cache: '250ms',
    settle: '1s',
  };
}
