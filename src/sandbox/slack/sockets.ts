import { isObject } from './blocks/checks.ts';
import type { Clock, Json, NewId } from './model.ts';

/** One Socket Mode connection as the WebSocket layer gives it. */
export interface SocketLink {
  send(text: string): void;
  close(): void;
}

/** What the WebSocket layer tells about its connection. */
export interface SocketSession {
  received(text: string): void;
  closed(): void;
}

/** The open Socket Mode connections of the app, and what each still has to acknowledge. */
export class Sockets {
  readonly #links: SocketLink[] = [];
  readonly #waiting = new Map<string, (payload: unknown) => void>();
  readonly #tickets = new Set<string>();
  readonly #clock: Clock;
  readonly #newId: NewId;
  readonly #appId: string;
  readonly #onCount: (connected: number) => void;
  #turn = 0;

  constructor(clock: Clock, newId: NewId, appId: string, onCount: (connected: number) => void) {
    this.#clock = clock;
    this.#newId = newId;
    this.#appId = appId;
    this.#onCount = onCount;
  }

  get count(): number {
    return this.#links.length;
  }

  /** A ticket for one connection, good for 30 s, as in the address that apps.connections.open answers. */
  ticket(): string {
    const ticket = this.#newId('ticket-');
    this.#tickets.add(ticket);
    this.#clock.after(30_000, () => this.#tickets.delete(ticket));
    return ticket;
  }

  /** Takes a new connection, or answers undefined when its ticket is unknown, used or too old. */
  open(ticket: string, link: SocketLink): SocketSession | undefined {
    if (!this.#tickets.delete(ticket)) return undefined;
    this.#links.push(link);
    this.#onCount(this.count);
    link.send(
      JSON.stringify({
        type: 'hello',
        num_connections: this.count,
        debug_info: { host: 'sandbox', build_number: 1, approximate_connection_time: 18_060 },
        connection_info: { app_id: this.#appId },
      }),
    );
    return {
      received: (text) => this.#received(text),
      closed: () => {
        const index = this.#links.indexOf(link);
        if (index < 0) return;
        this.#links.splice(index, 1);
        this.#onCount(this.count);
      },
    };
  }

  /** Sends an envelope over one of the connections in turn; `onAck` gets the payload of the acknowledgement. */
  send(type: string, payload: Json, extra: Json, onAck: (payload: unknown) => void): void {
    const link = this.#links[this.#turn % Math.max(1, this.count)];
    this.#turn += 1;
    if (link === undefined) return;
    const id = this.#newId('envelope-');
    this.#waiting.set(id, onAck);
    link.send(
      JSON.stringify({ envelope_id: id, type, payload, accepts_response_payload: type !== 'events_api', ...extra }),
    );
  }

  /** Tells every connection to go, as Slack does about once an hour; the app is expected to come back. */
  disconnect(reason: 'warning' | 'refresh_requested' | 'link_disabled'): void {
    for (const link of [...this.#links]) {
      link.send(JSON.stringify({ type: 'disconnect', reason, debug_info: { host: 'sandbox' } }));
    }
  }

  /** Cuts every connection without a word. */
  cut(): void {
    for (const link of [...this.#links]) link.close();
  }

  #received(text: string): void {
    let ack: unknown;
    try {
      ack = JSON.parse(text);
    } catch {
      return;
    }
    if (!isObject(ack) || typeof ack['envelope_id'] !== 'string') return;
    const waiting = this.#waiting.get(ack['envelope_id']);
    this.#waiting.delete(ack['envelope_id']);
    waiting?.(ack['payload']);
  }
}
