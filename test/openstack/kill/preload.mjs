/**
 * Loaded into Ephyra's process by `--import`: writes down every request to the real control planes and every command of
 * the plugin, and kills the process when the events of the armed point have come to pass, in their order. Chosen by what
 * is done, not by time; the program itself knows nothing of it.
 *
 *   EPHYRA_JOURNAL    file: one JSON line per event, written before anything else happens. Paths only, never bodies
 *   EPHYRA_KILL_FILE  file: `{"name", "steps": [pattern, ...]}`, read again at every event; empty or absent: no point
 *
 * An event is one text: `begin|sent|answered STATUS` `cp1|cp2` `METHOD PATH [VERB]`, or `begin|ended` `command ...`.
 * At `begin` nothing has left the process yet; at `sent` the kernel has all of it; at `answered` the status has come, and the
 * program has not seen it.
 */
import childProcess from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync, readFileSync } from 'node:fs';
import { ClientRequest } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';

const journal = process.env.EPHYRA_JOURNAL;
const killFile = process.env.EPHYRA_KILL_FILE;
const CONTROL_PLANE = /^([12])(5000|8778|9292|9696|6385|8774)$/;

let armed = '';
let passed = 0;

function event(text) {
  write({ event: text });
  const point = read();
  if (point === null) return;
  if (new RegExp(point.steps[passed]).test(text)) passed += 1;
  if (passed < point.steps.length) return;
  write({ killed: point.name });
  process.kill(process.pid, 'SIGKILL');
}

function write(line) {
  appendFileSync(journal, `${JSON.stringify({ at: Date.now(), pid: process.pid, ...line })}\n`);
}

/** The armed point. Another one than before begins at its first step. */
function read() {
  let text = '';
  try {
    text = readFileSync(killFile, 'utf8');
  } catch {
    // None was ever armed.
  }
  if (text !== armed) {
    armed = text;
    passed = 0;
  }
  return text === '' ? null : JSON.parse(text);
}

/** What a write asks for, as far as the path does not say it. */
function verbOf(body) {
  try {
    const json = JSON.parse(body);
    if (Array.isArray(json)) return json.map(({ op, path }) => `${op} ${path}`).join(', ');
    if (typeof json.target === 'string') return json.target;
    const keys = Object.keys(json);
    return keys.length === 1 ? keys[0] : '';
  } catch {
    return '';
  }
}

const bodies = new WeakMap();
const { write: writeChunk, end } = ClientRequest.prototype;
function keep(request, chunk) {
  if (typeof chunk === 'string' || Buffer.isBuffer(chunk)) bodies.set(request, (bodies.get(request) ?? '') + chunk);
}
ClientRequest.prototype.write = function (chunk, ...rest) {
  keep(this, chunk);
  return writeChunk.call(this, chunk, ...rest);
};
ClientRequest.prototype.end = function (chunk, ...rest) {
  keep(this, chunk);
  return end.call(this, chunk, ...rest);
};

function nameOf(request) {
  const port = CONTROL_PLANE.exec(String(request.getHeader('host') ?? '').split(':')[1] ?? '');
  if (port === null) return null;
  const verb = ['GET', 'HEAD', 'DELETE'].includes(request.method) ? '' : ` ${verbOf(bodies.get(request) ?? '')}`;
  return `cp${port[1]} ${request.method} ${request.path}${verb}`.trimEnd();
}

subscribe('http.client.request.start', ({ request }) => {
  const name = nameOf(request);
  if (name === null) return;
  request.once('finish', () => event(`sent ${name}`));
  event(`begin ${name}`);
});
subscribe('http.client.response.finish', ({ request, response }) => {
  const name = nameOf(request);
  if (name !== null) event(`answered ${response.statusCode} ${name}`);
});

const { spawn } = childProcess;
childProcess.spawn = function (program, args, ...rest) {
  const name = `command ${(Array.isArray(args) ? args : []).join(' ')}`;
  event(`begin ${name}`);
  const child = spawn.call(this, program, args, ...rest);
  child.once('exit', () => event(`ended ${name}`));
  return child;
};
syncBuiltinESMExports();
