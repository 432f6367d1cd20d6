import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Hadoop } from './hadoop.ts';
import { SERVICES, type ServiceId } from './model.ts';

export interface HadoopUrls extends Readonly<Record<ServiceId, string>> {
  readonly admin: string;
}

/**
 * Gives every service of the emulator a port on 127.0.0.1 (its own free one unless `ports` names it). Resolves with
 * the addresses and the way to stop.
 */
export async function listenHadoop(
  hadoop: Hadoop,
  ports: Partial<Record<ServiceId | 'admin', number>> = {},
): Promise<{ urls: HadoopUrls; close: () => Promise<void> }> {
  const servers: Server[] = [];
  const urls: Partial<Record<ServiceId | 'admin', string>> = {};
  for (const to of [...SERVICES, 'admin'] as const) {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const answer = hadoop.handle({
          to,
          method: request.method ?? 'GET',
          url: request.url ?? '/',
          body: Buffer.concat(chunks).toString('utf8'),
        });
        if ('silent' in answer) {
          if (answer.silent === 'refuse') request.socket.destroy();
          return;
        }
        response.writeHead(answer.status, answer.headers);
        response.end(answer.body);
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(ports[to] ?? 0, '127.0.0.1', resolve);
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    urls[to] = url;
    if (to !== 'admin') hadoop.setUrl(to, url);
    servers.push(server);
  }
  return {
    urls: urls as HadoopUrls,
    async close() {
      await Promise.all(
        servers.map((server) => {
          server.closeAllConnections();
          return new Promise<void>((resolve) => server.close(() => resolve()));
        }),
      );
    },
  };
}
