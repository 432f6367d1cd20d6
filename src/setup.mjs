// Makes a fresh clone ready: the right Node, the dependencies of the lockfile, a build that is not older than its
// sources. Plain JavaScript without dependencies, since it runs before there are any.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const wantsBuild = !process.argv.includes('--no-build');

const [major] = process.versions.node.split('.').map(Number);
if (major < 20) fail(`Ephyra needs Node 20 or newer; this is ${process.versions.node}.`);

const stamp = join(root, 'node_modules', '.ephyra-lockfile');
const lock = digest([join(root, 'package-lock.json')]);
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  say('installing dependencies (once)');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], 'The dependencies could not be installed.');
  writeFileSync(stamp, lock);
}

if (wantsBuild) {
  const built = join(root, 'dist', '.ephyra-sources');
  const sources = digest([
    ...filesBelow('src'),
    ...filesBelow('machines'),
    ...filesBelow('plugins'),
    join(root, 'tsconfig.json'),
  ]);
  if (!existsSync(built) || readFileSync(built, 'utf8') !== sources) {
    say('building');
    run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', root], 'The build failed.');
    writeFileSync(built, sources);
  }
}

function filesBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => join(root, folder, String(name)))
    .filter((path) => path.endsWith('.ts') && statSync(path).isFile())
    .sort();
}

function digest(paths) {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(path).update(readFileSync(path));
  return hash.digest('hex');
}

function run(command, args, complaint) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) fail(complaint);
}

function say(text) {
  process.stderr.write(`ephyra: ${text} ...\n`);
}

function fail(text) {
  process.stderr.write(`ephyra: ${text}\n`);
  process.exit(1);
}
