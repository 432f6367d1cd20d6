import { ServerResponse } from 'node:http';

/** Between the halves of an answer, in milliseconds: enough for the first to be read by itself. */
const GAP_MS = 2;

const halved = new Set<number>();
let patched = false;

/** From now on, the servers on these ports answer in two parts, until the result is called. */
export function answerInHalves(ports: readonly number[]): () => void {
  if (!patched) patch();
  for (const port of ports) halved.add(port);
  return () => {
    for (const port of ports) halved.delete(port);
  };
}

/** The emulators hand over the whole body in one call of `end`. */
function patch(): void {
  patched = true;
  const { end } = ServerResponse.prototype;
  ServerResponse.prototype.end = function (this: ServerResponse, ...args: unknown[]) {
    const [body] = args;
    const port = this.req.socket.localPort ?? 0;
    const whole = typeof body === 'string' ? Buffer.from(body) : Buffer.isBuffer(body) ? body : null;
    if (whole === null || whole.length < 2 || !halved.has(port)) return Reflect.apply(end, this, args);
    const middle = Math.floor(whole.length / 2);
    if (!this.headersSent && !this.hasHeader('content-length')) this.setHeader('content-length', whole.length);
    this.write(whole.subarray(0, middle));
    setTimeout(() => Reflect.apply(end, this, [whole.subarray(middle)]), GAP_MS);
    return this;
  } as typeof end;
}
