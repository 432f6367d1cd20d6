import { spawn } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { numberOf, optionsOf, orRefuse } from '../support/options.ts';
import type { Mutant } from './mutants.ts';
import { MUTANTS } from './mutants.ts';

const USAGE = `Puts deliberate bugs into a copy of the source, one at a time: the simulation must find each of them.

  --seeds N       most seeds that are played for one of them (default 6000)
  --base B        the first seed (default 1)
  --processes P   bugs that are hunted at the same time; default: one for each core
  --only TEXT     only those with this in their name
`;

const values = optionsOf({
  options: {
    seeds: { type: 'string', default: '6000' },
    base: { type: 'string', default: '1' },
    processes: { type: 'string' },
    only: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const ROOT = rootOf(dirname(fileURLToPath(import.meta.url)));
/** Where built things are, so that the copies find their packages and nobody takes them for source. */
const COPIES = join(ROOT, 'dist/.mutants');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

/** Where package.json is, from the source or from what it was built into. */
function rootOf(folder: string): string {
  const here = existsSync(join(folder, 'package-lock.json'));
  const parent = dirname(folder);
  if (here || parent === folder) return folder;
  return rootOf(parent);
}

interface Ended {
  readonly code: number;
  readonly output: string;
}

function node(args: readonly string[], cwd: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
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

/** The whole program once, as it is; each copy then differs from it in one file. */
async function build(copies: number): Promise<string[]> {
  rmSync(COPIES, { recursive: true, force: true });
  const whole = join(COPIES, 'whole');
  const { code, output } = await node([TSC, '-p', 'test/simulation/tsconfig.json', '--outDir', whole], ROOT);
  if (code !== 0) throw new Error(`the source cannot be built:\n${output}`);
  return Array.from({ length: copies }, (_, number) => {
    const copy = join(COPIES, `${number}`);
    cpSync(whole, copy, { recursive: true });
    return copy;
  });
}

const mutated = ({ name, file, find, replace }: Mutant): string => {
  const source = readFileSync(join(ROOT, file), 'utf8');
  const places = source.split(find).length - 1;
  if (places !== 1) {
    throw new Error(`"${name}": its piece occurs ${places} times in ${file}; bring the list up to date`);
  }
  return source.replace(find, () => replace);
};

/** Only the file that is changed is built again. Types may be wrong in a mutant; what is written all the same is run. */
async function plant(mutant: Mutant, copy: string): Promise<() => void> {
  const sources = `${copy}.source`;
  const path = join(sources, mutant.file);
  rmSync(sources, { recursive: true, force: true });
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, mutated(mutant));
  const built = mutant.file.replace(/\.ts$/, '.js');
  const before = readFileSync(join(copy, built), 'utf8');
  const options = '--ignoreConfig --noCheck --noResolve --module nodenext --target es2023 --verbatimModuleSyntax';
  const { output } = await node(
    [TSC, path, ...options.split(' '), '--rewriteRelativeImportExtensions', '--rootDir', sources, '--outDir', copy],
    ROOT,
  );
  if (withoutMap(readFileSync(join(copy, built), 'utf8')) === withoutMap(before)) {
    throw new Error(`"${mutant.name}" changes nothing:\n${output}`);
  }
  return () => copyFileSync(join(COPIES, 'whole', built), join(copy, built));
}

const withoutMap = (text: string): string => text.replace(/\n\/\/# sourceMappingURL.*/, '');

/** So many seeds are played around the one that is hinted at. */
const AROUND = 3;

async function hunt(copy: string, { hint, among }: Mutant): Promise<Ended> {
  const which = among === undefined ? [] : [`--${among}`];
  const play = (base: string, seeds: string): Promise<Ended> => {
    const part = ['--processes', '1', '--seeds', seeds, '--base', base];
    return node([join(copy, 'test/simulation/simulate.js'), '--first', ...which, ...part], ROOT);
  };
  if (hint !== undefined) {
    const ended = await play(`${hint}`, `${AROUND}`);
    if (ended.code !== 0) return ended;
  }
  return play(values.base, values.seeds);
}

/** True when it was found. */
async function tryOut(mutant: Mutant, copy: string): Promise<boolean> {
  const mend = await plant(mutant, copy);
  const began = performance.now();
  const { code, output } = await hunt(copy, mutant);
  mend();
  const seconds = Math.round((performance.now() - began) / 1000);
  const found = /^found seed (\d+): ([^:]+):/m.exec(output);
  if (found !== null && mutant.foundBy.includes(found[2] ?? '')) {
    console.log(`found     ${mutant.name}: by "${found[2]}", seed ${found[1]}, ${seconds} s`);
    return true;
  }
  const nothing = code === 0 ? 'nothing was broken' : (output.trim().split('\n').at(-1) ?? '');
  const why = found === null ? nothing : `seed ${found[1]} broke "${found[2]}" instead`;
  console.log(`SURVIVED  ${mutant.name}: ${why}, ${seconds} s`);
  return false;
}

async function main(): Promise<number> {
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const chosen = MUTANTS.filter(({ name }) => values.only === undefined || name.includes(values.only));
  orRefuse(() => {
    if (chosen.length === 0) throw new Error(`no mutant has "${values.only}" in its name`);
  });
  for (const name of ['seeds', 'base'] as const) numberOf(name, values[name]);
  // Before anything takes long: is the list up to date?
  for (const mutant of chosen) mutated(mutant);
  const processes = values.processes === undefined ? availableParallelism() : numberOf('processes', values.processes);
  const copies = await build(Math.max(1, Math.min(processes, chosen.length)));
  const waiting = [...chosen];
  let survived = 0;
  await Promise.all(
    copies.map(async (copy) => {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        if (!(await tryOut(mutant, copy))) survived += 1;
      }
    }),
  );
  rmSync(COPIES, { recursive: true, force: true });
  console.log(`${chosen.length} mutants, ${survived} survived`);
  return survived === 0 ? 0 : 1;
}

process.exitCode = await main();
