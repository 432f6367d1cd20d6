import { createServer } from 'node:net';

/** Below those that outgoing connections are given (32768 and up on Linux, 49152 elsewhere), above what is usual for services. */
const LOWEST = 20_000;
const HIGHEST = 29_999;

let next = LOWEST + ((process.pid * 37) % (HIGHEST - LOWEST));

/**
 * A port of 127.0.0.1 for a server that is started again and again on it. One that the system chooses would not do: while
 * the server is down, an outgoing connection of somebody else may be given it. No two calls of a process give the same one.
 */
export async function lastingPort(): Promise<number> {
  for (let tries = 0; tries < HIGHEST - LOWEST; tries += 1) {
    next = next === HIGHEST ? LOWEST : next + 1;
    const port = next;
    if (await isFree(port)) return port;
  }
  throw new Error(`no port from ${LOWEST} to ${HIGHEST} is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
