import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Written } from './configuration.ts';

/** Where the built program is, seen from src/ as well as from dist/src/. */
function program(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'dist', 'src', 'main.js');
}

/** Lines of the log that are kept for when something goes wrong. */
const TAIL = 30;

/** Ephyra as a process of its own, as in production: started, killed, started again. */
export class EphyraProcess {
  readonly #written: Written;
  readonly #logFile: string;
  readonly #lines: string[] = [];
  #child: ChildProcess | null = null;
  #expected = false;
  #onExit: (code: number | string | null) => void = () => undefined;
  /** Of /healthz and /metrics. */
  httpUrl = '';
  /** Where Slack's requests are taken in HTTP mode; null in Socket Mode. */
  slackPort: number | null = null;

  constructor(written: Written, logFile: string) {
    this.#written = written;
    this.#logFile = logFile;
  }

  /** Called when the process ends without having been asked to. */
  onExit(listener: (code: number | string | null) => void): void {
    this.#onExit = listener;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  tail(): string {
    return this.#lines.join('\n');
  }

  /** Resolves once it says that it is up; rejects with its last words when it ends before. */
  async start(timeoutMs = 30_000): Promise<void> {
    this.#expected = false;
    const child = spawn(process.execPath, [program(), '--config', this.#written.config], {
      env: { ...process.env, ...this.#written.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`Ephyra did not come up in ${timeoutMs / 1000} s:\n${this.tail()}`));
      }, timeoutMs);
      const read = (line: string) => {
        this.#remember(line);
        if (!line.includes('"ephyra is up"')) return;
        const up = JSON.parse(line) as { http?: string; slackPort?: number | null };
        this.httpUrl = up.http ?? '';
        this.slackPort = up.slackPort ?? null;
        clearTimeout(timer);
        resolve();
      };
      for (const stream of [child.stdout, child.stderr]) splitLines(stream, read);
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        reject(new Error(`Ephyra ended while starting (${signal ?? code}):\n${this.tail()}`));
        if (!this.#expected) this.#onExit(signal ?? code);
      });
    });
  }

  /** SIGKILL: no chance to tidy up. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async terminate(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#expected = true;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await ended;
    this.#child = null;
  }

  #remember(line: string): void {
    appendFileSync(this.#logFile, `${line}\n`);
    this.#lines.push(line);
    if (this.#lines.length > TAIL) this.#lines.shift();
  }
}

function splitLines(stream: NodeJS.ReadableStream | null, read: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) read(line);
  });
}
