// Loaded into the real Ephyra process before its program (`node --import`): counts the points at which it could be
// killed, and kills it with SIGKILL at the one that the sweep has chosen. Plain JavaScript, since it runs unbuilt.
//
// The process is started early: this module loads everything that the program loads, and then waits for the sweep to
// say what it is to do. Talks to the sweep over the IPC channel; see `child.ts` for the messages.
import childProcess from 'node:child_process';
import diagnostics from 'node:diagnostics_channel';
import { existsSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import fsp from 'node:fs/promises';
import http from 'node:http';
import Module, { createRequire, syncBuiltinESMExports } from 'node:module';
import { basename, dirname } from 'node:path';
import perfHooks from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import v8 from 'node:v8';
import vm from 'node:vm';

const UUID = /[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}/gi;

/** What is counted, and where to stop. Replaced as a whole by `arm`. */
let setup = { places: {}, nodes: {}, source: '', folder: '', store: '', target: null, ordinal: null };
let counts = new Map();
let order = [];
let total = 0;
let phase = 'begin';
let armed = false;

/** A point: dies here when it is the chosen one. */
function point(kind, label, isWrite) {
  if (!armed) return;
  const what = isWrite ? label : `${label} < ${phase}`;
  const key = `${kind} | ${what}`;
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  total += 1;
  if (count === 1) order.push(key);
  const { target, ordinal } = setup;
  if (ordinal === total || (target !== null && target.key === key && target.count === count)) die(`${key} #${count}`);
}

/** Whether the chosen point is of this kind and route: then the body is watched. */
const isChosen = (kind, label) => armed && setup.target?.key.startsWith(`${kind} | ${label}`) === true;

function die(where) {
  writeSync(3, `${where}\n`);
  process.kill(process.pid, 'SIGKILL');
  // The signal is delivered before this call returns; should it not be, nothing may go on.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** What a request is: where it goes, what it asks, without anything that differs from run to run. */
function describe(method, host, path) {
  const port = host.split(':').at(-1);
  const place = (setup.places[port] ?? `port ${port}`).replace(/^cp\d/, (name) =>
    name === setup.source ? 'source' : 'target',
  );
  const [plain, query = ''] = path.split('?');
  const route = plain.replace(UUID, (id) => setup.nodes[id] ?? '{id}').replace(/\/(commands|actions)\/.*/, '/$1/{id}');
  // A list for all, or one filtered: other questions on the same route.
  const words = new URLSearchParams(query);
  const bean = /name=(\w+)/.exec(words.get('qry') ?? '')?.[1];
  const asked = bean !== undefined ? [bean] : [...words.keys()].filter((name) => name !== 'limit').sort();
  const label = `${place} ${method} ${route}${asked.length === 0 ? '' : `?${asked.join('&')}`}`;
  const isRead = method === 'GET' || method === 'HEAD';
  // A token, and the lease that is kept by the clock, say nothing of how far the move has come.
  const moves = !isRead && /^(source|target) (ironic|nova) /.test(`${place} `) && !/\/chassis/.test(route);
  return { label, isWrite: !isRead, moves };
}

function begin(call) {
  point('before', call.label, call.isWrite);
  if (!call.moves) return;
  const sent = (moved.get(call.label) ?? 0) + 1;
  moved.set(call.label, sent);
  phase = sent === 1 ? call.label : `${call.label} (${sent})`;
}
let moved = new Map();

// Requests of node:http (axios). `onSocket`: there is a connection, nothing is written yet.
const calls = new WeakMap();
const { onSocket } = http.ClientRequest.prototype;
http.ClientRequest.prototype.onSocket = function (...args) {
  const call = describe(this.method, String(this.getHeader('host')), this.path);
  calls.set(this, call);
  begin(call);
  return onSocket.apply(this, args);
};
diagnostics.subscribe('http.client.response.finish', ({ request, response }) => {
  const call = calls.get(request);
  if (call === undefined) return;
  point('after', call.label, call.isWrite);
  const { push } = response;
  response.push = function (chunk, ...rest) {
    if (chunk !== null) {
      response.push = push;
      point('middle', call.label, call.isWrite);
    }
    return push.call(this, chunk, ...rest);
  };
});

// Requests by fetch (Slack's client).
const { fetch } = globalThis;
globalThis.fetch = async (input, init) => {
  const url = new URL(typeof input === 'string' || input instanceof URL ? input : input.url);
  const call = describe((init?.method ?? input.method ?? 'GET').toUpperCase(), url.host, url.pathname + url.search);
  begin(call);
  const response = await fetch(input, init);
  point('after', call.label, call.isWrite);
  if (response.body !== null && response.headers.get('content-length') !== '0') {
    if (isChosen('middle', call.label)) await response.clone().body?.getReader().read();
    point('middle', call.label, call.isWrite);
  }
  return response;
};

// Files: the store, and what a plugin writes. Replaced as a whole: written beside, flushed, renamed.
const ours = (path) => typeof path === 'string' && setup.folder !== '' && path.startsWith(setup.folder);
const isLock = (path) => /\.lock|owner/.test(path.slice(setup.folder.length));
const nameOf = (path) => (path === setup.store ? 'store' : `file ${basename(path)}`);
/** `.ephyra.json.tmp`, or in a folder `.ephyra.json.XXXX` made for it: named after what it will be. */
const besideOf = (path) =>
  basename(path).startsWith(`.${basename(setup.store)}`) ||
  basename(dirname(path)).startsWith(`.${basename(setup.store)}`)
    ? 'store'
    : 'file';

const { open, rename } = fsp;
fsp.open = async (path, flags, ...rest) => {
  const writes = ours(path) && !isLock(path) && typeof flags === 'string' && /[wa+]/.test(flags);
  if (!writes) return open(path, flags, ...rest);
  const what = besideOf(path);
  point('before', `${what} write`, true);
  const handle = await open(path, flags, ...rest);
  const { writeFile } = handle;
  handle.writeFile = async (text, ...options) => {
    const chosen = isChosen('torn', `${what} write`);
    if (chosen) {
      await handle.write(String(text).slice(0, Math.floor(String(text).length / 2)), 0);
      await handle.sync();
    }
    point('torn', `${what} write`, true);
    if (chosen) await handle.truncate(0);
    return writeFile.call(handle, text, ...options);
  };
  return handle;
};
fsp.rename = async (from, to) => {
  if (!ours(to) || isLock(to)) return rename(from, to);
  point('between', `${nameOf(to)} write`, true);
  await rename(from, to);
  point('after', `${nameOf(to)} write`, true);
};

// Commands: an outgoing request by other means.
const { spawn } = childProcess;
childProcess.spawn = (program, args = [], options = {}) => {
  const label = `command ${[program, ...args]
    .filter((word) => word !== process.execPath)
    .map((word) => basename(String(word)))
    .join(' ')}`;
  point('before', label, true);
  const child = spawn(program, args, options);
  child.prependOnceListener('exit', () => point('after', label, true));
  return child;
};

// What measures the lag of the event loop for the metrics wakes a process a hundred times a second; here are dozens of them.
const { monitorEventLoopDelay } = perfHooks;
perfHooks.monitorEventLoopDelay = (options) => monitorEventLoopDelay({ ...options, resolution: 1_000 });

syncBuiltinESMExports();

function arm(next) {
  setup = { ...setup, ...next };
  counts = new Map();
  moved = new Map();
  order = [];
  total = 0;
  phase = 'begin';
  armed = true;
}

const go = new Promise((resolve) => {
  process.on('message', (message) => {
    if (message.do === 'go') resolve(message);
    if (message.do === 'arm') arm(message.setup);
    if (message.do === 'disarm') armed = false;
    if (message.do === 'remember') remember();
    if (message.do === 'counts') {
      process.send({ counts: order.map((key) => [key, counts.get(key)]), total });
    }
  });
});
// Whoever started it is gone: it must not live on.
process.on('disconnect', () => process.exit(9));

// A process reads a handful of each kind of data: checkers that zod would compile for them first do not pay.
globalThis.__zod_globalConfig = { jitless: true };

// The program in two files (`bundle.ts`): what V8 has made of the larger one in a process before is used again.
let script = null;
const codeCache = (path) => `${path}.cache`;
Module._extensions['.cjs'] = (module, path) => {
  const text = readFileSync(path, 'utf8');
  if (basename(path) !== 'rest.cjs') return module._compile(text, path);
  script = new vm.Script(Module.wrap(text), {
    filename: path,
    cachedData: existsSync(codeCache(path)) ? readFileSync(codeCache(path)) : undefined,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  script.path = path;
  return script.runInThisContext()(module.exports, createRequire(path), module, path, dirname(path));
};

/**
 * A process lives for seconds: what V8 spends on making code quick does not come back. Not given to the process at its start,
 * since V8 takes what was made of a program, or of Node.js's own modules, only with the flags that it was made with. The last
 * one Ephyra sets itself (src/observability/heap.ts).
 */
const HASTY = ['--no-opt', '--no-sparkplug', '--no-flush-bytecode', '--heap-growing-percent=25'];
const USUAL = ['--opt', '--sparkplug', '--flush-bytecode', '--heap-growing-percent=0'];
const flags = (list) => {
  for (const flag of list) v8.setFlagsFromString(flag);
};

function remember() {
  if (script === null) return;
  const beside = `${codeCache(script.path)}.${process.pid}`;
  flags(USUAL);
  writeFileSync(beside, script.createCachedData());
  flags(HASTY);
  renameSync(beside, codeCache(script.path));
}

const program = process.argv[1];
if (program.endsWith('.cjs')) {
  createRequire(program)('./rest.cjs');
} else {
  for (const [, specifier] of readFileSync(program, 'utf8').matchAll(/^import .*from '([^']+)';$/gm)) {
    await import(specifier.startsWith('.') ? new URL(specifier, pathToFileURL(program)).href : specifier);
  }
}
flags(HASTY);
process.send({ warm: true, compiled: script?.cachedDataRejected !== false });
const { config, env, setup: first } = await go;
Object.assign(process.env, env);
process.argv.push('--config', config);
if (first !== null) arm(first);
