import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Mutant } from './mutants.ts';
import { MUTANTS } from './mutants.ts';

const USAGE = `Puts deliberate bugs into a copy of the source, one at a time: the simulation must find each of them.

  --seeds N   most seeds that are played for one of them (default 4000)
  --base B    the first seed (default 1)
  --only TEXT only those with this in their name
`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '4000' },
    base: { type: 'string', default: '1' },
    only: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const ROOT = rootOf(dirname(fileURLToPath(import.meta.url)));
/** Where built things are, so that the copy finds its packages and nobody takes it for source. */
const COPY = join(ROOT, 'dist/.mutant');
const SOURCES = ['src', 'machines', 'plugins', 'test/simulation', 'test/support/world', 'test/support/invariants'];

/** Where package.json is, from the source or from what it was built into. */
function rootOf(folder: string): string {
  const here = existsSync(join(folder, 'package-lock.json'));
  const parent = dirname(folder);
  if (here || parent === folder) return folder;
  return rootOf(parent);
}

function copySources(): void {
  rmSync(COPY, { recursive: true, force: true });
  mkdirSync(COPY, { recursive: true });
  for (const folder of SOURCES) cpSync(join(ROOT, folder), join(COPY, folder), { recursive: true });
  for (const file of ['package.json', 'tsconfig.json']) cpSync(join(ROOT, file), join(COPY, file));
}

function plant({ name, file, find, replace }: Mutant): void {
  const path = join(COPY, file);
  const source = readFileSync(path, 'utf8');
  const places = source.split(find).length - 1;
  if (places !== 1)
    throw new Error(`"${name}": its piece occurs ${places} times in ${file}; bring the list up to date`);
  writeFileSync(
    path,
    source.replace(find, () => replace),
  );
}

interface Ended {
  readonly code: number;
  readonly output: string;
}

function command(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: COPY, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', reject);
    child.once('exit', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Types may be wrong in a mutant; what is written all the same is run. */
async function build(): Promise<void> {
  const out = join(COPY, 'out');
  const { output } = await command(process.execPath, [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '-p',
    'test/simulation/tsconfig.json',
    '--outDir',
    out,
    '--noUnusedLocals',
    'false',
  ]);
  if (!existsSync(join(out, 'test/simulation/simulate.js'))) throw new Error(`the copy cannot be built:\n${output}`);
  cpSync(join(COPY, 'package.json'), join(out, 'package.json'));
}

async function hunt(): Promise<Ended> {
  const { seeds, base } = values;
  return command(process.execPath, [
    join(COPY, 'out/test/simulation/simulate.js'),
    '--first',
    '--seeds',
    seeds,
    '--base',
    base,
  ]);
}

async function main(): Promise<number> {
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  let survived = 0;
  const chosen = MUTANTS.filter(({ name }) => values.only === undefined || name.includes(values.only));
  for (const mutant of chosen) {
    copySources();
    plant(mutant);
    await build();
    const began = performance.now();
    const { code, output } = await hunt();
    const seconds = Math.round((performance.now() - began) / 1000);
    const found = /^found seed (\d+): ([^:]+):/m.exec(output);
    if (found !== null && mutant.foundBy.includes(found[2] ?? '')) {
      console.log(`found     ${mutant.name}: by "${found[2]}", seed ${found[1]}, ${seconds} s`);
      continue;
    }
    survived += 1;
    const why =
      found === null
        ? code === 0
          ? 'nothing was broken'
          : (output.trim().split('\n').at(-1) ?? '')
        : `broke "${found[2]}" instead`;
    console.log(`SURVIVED  ${mutant.name}: ${why}, ${seconds} s`);
  }
  rmSync(COPY, { recursive: true, force: true });
  console.log(`${chosen.length} mutants, ${survived} survived`);
  return survived === 0 ? 0 : 1;
}

process.exitCode = await main();
