import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Target } from './points.ts';

/** Where package.json is, from the source or from what it was built into. */
function rootOf(folder: string): string {
  return existsSync(join(folder, 'package-lock.json')) ? folder : rootOf(dirname(folder));
}

export const ROOT = rootOf(import.meta.dirname);
/** As `npm run build` makes it. */
export const PROGRAM = join(ROOT, 'dist', 'src', 'main.js');
const PRELOAD = pathToFileURL(join(ROOT, 'test', 'crash', 'preload.mjs')).href;

/** What a process has to know to name its points, and at which one to die. */
export interface Setup {
  /** `cp1 ironic`, `hadoop nn1`, `slack`: by port. */
  readonly places: Readonly<Record<string, string>>;
  /** Names of nodes by uuid. */
  readonly nodes: Readonly<Record<string, string>>;
  /** The control plane that the nodes leave. */
  readonly source: string;
  /** Files below it are watched. */
  readonly folder: string;
  readonly store: string;
  readonly target: Target | null;
  /** The so-many-th point of the process, whichever it is. */
  readonly ordinal: number | null;
}

/** What a process has counted: how often each point occurred, in the order of the first time. */
export interface Counted {
  readonly counts: readonly (readonly [key: string, count: number])[];
  readonly total: number;
}

/** A process lives for seconds: what V8 spends on keeping memory tidy does not come back. More of the kind in `preload.mjs`. */
const FLAGS = ['--single-threaded-gc', '--max-semi-space-size=8'];

/** Lines of the log that are kept. */
const KEPT = 400;

/** The real Ephyra as a process of its own, with the preload that counts its points. */
export class Child {
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #onLine: Set<(line: string) => void> = new Set();
  readonly warm: Promise<void>;
  readonly #startedAt = Date.now();
  #warmAt = Number.POSITIVE_INFINITY;
  /** V8 had to compile the program: what is kept of it was not there yet, or made with other flags. */
  compiled = false;
  /** Resolves with the signal or exit code. */
  readonly ended: Promise<string>;
  /** Where it has killed itself; null: it has not. */
  died: string | null = null;
  alive = true;
  up = false;

  constructor(program: string) {
    this.#process = spawn(process.execPath, [...FLAGS, '--import', PRELOAD, program], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'ipc'],
    });
    this.warm = new Promise((resolve) => {
      const listen = (message: unknown) => {
        if (!isMessage(message, 'warm')) return;
        this.#process.off('message', listen);
        this.#warmAt = Date.now();
        this.compiled = message['compiled'] === true;
        resolve();
      };
      this.#process.on('message', listen);
    });
    this.ended = new Promise((resolve) => {
      this.#process.once('close', (code, signal) => {
        this.alive = false;
        resolve(signal ?? String(code));
      });
    });
    // It may die between our look and our word to it.
    this.#process.on('error', () => undefined);
    for (const stream of [this.#process.stdout, this.#process.stderr]) lines(stream, (line) => this.#read(line));
    lines(this.#process.stdio[3] as NodeJS.ReadableStream, (line) => {
      this.died = line;
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get log(): readonly string[] {
    return this.#lines;
  }

  /** Milliseconds that it had spent on loading the program by `time` (ms since 1970): as if it had been started then. */
  aheadAt(time: number): number {
    return Math.max(0, Math.min(time, this.#warmAt) - this.#startedAt);
  }

  onLine(listener: (line: string) => void): void {
    this.#onLine.add(listener);
  }

  go(config: string, env: Readonly<Record<string, string>>, setup: Setup | null): void {
    this.#tell({ do: 'go', config, env, setup });
  }

  /** From now on it counts from nothing, and dies at the chosen point. */
  arm(setup: Setup): void {
    this.#tell({ do: 'arm', setup });
  }

  disarm(): void {
    this.#tell({ do: 'disarm' });
  }

  /** What it has counted since it was armed; null when it is gone. */
  async counted(): Promise<Counted | null> {
    const answer = new Promise<Counted>((resolve) => {
      const listen = (message: unknown) => {
        if (!isMessage(message, 'counts')) return;
        this.#process.off('message', listen);
        resolve(message as unknown as Counted);
      };
      this.#process.on('message', listen);
    });
    this.#tell({ do: 'counts' });
    return Promise.race([answer, this.ended.then(() => null)]);
  }

  /** Keeps what V8 has made of the program by now, for the processes that come after it. */
  remember(): void {
    this.#tell({ do: 'remember' });
  }

  /** SIGKILL from outside. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.ended;
  }

  #tell(message: object): void {
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  #read(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > KEPT) this.#lines.shift();
    if (!this.up && line.includes('"ephyra is up"')) this.up = true;
    for (const listener of this.#onLine) listener(line);
  }
}

/** Processes that have loaded the program and wait to be told what to do: loading takes most of the time of a start. */
export class Pool {
  readonly #size: number;
  readonly #program: string;
  readonly #waiting: Child[] = [];
  #open = true;
  started = 0;
  /** Of these, how many that were taken had to compile the program. */
  compiled = 0;

  constructor(size: number, program = PROGRAM) {
    this.#size = size;
    this.#program = program;
  }

  async take(): Promise<Child> {
    const child = this.#waiting.shift() ?? this.#make();
    this.fill();
    await child.warm;
    if (child.compiled) this.compiled += 1;
    return child;
  }

  fill(): void {
    while (this.#open && this.#waiting.length < this.#size) this.#waiting.push(this.#make());
  }

  async close(): Promise<void> {
    this.#open = false;
    await Promise.all(this.#waiting.splice(0).map((child) => child.kill()));
  }

  #make(): Child {
    this.started += 1;
    return new Child(this.#program);
  }
}

const isMessage = (message: unknown, field: string): message is Record<string, unknown> =>
  typeof message === 'object' && message !== null && field in message;

function lines(stream: NodeJS.ReadableStream | null, read: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) read(part);
  });
}
