import { type ControlPlane, createControlPlane } from '../../../../src/sandbox/openstack/index.ts';
import type {
  ChangeEvent,
  Clock,
  ControlPlaneOptions,
  Reply,
  Service,
} from '../../../../src/sandbox/openstack/types.ts';

/** A clock that stands still until it is told to go on. */
export class TestClock implements Clock {
  time = Date.UTC(2026, 10, 22, 20, 0, 0);
  #timers: { at: number; order: number; fn: () => void }[] = [];
  #order = 0;

  now(): number {
    return this.time;
  }

  after(ms: number, fn: () => void): () => void {
    this.#order += 1;
    const timer = { at: this.time + ms, order: this.#order, fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get pending(): number {
    return this.#timers.length;
  }

  /** Lets so many milliseconds pass, each timer at its time, with the promises that it settles. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const next = this.#timers.toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined || next.at > end) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.time = next.at;
      next.fn();
    }
    this.time = end;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

export function countingIds(prefix = 'c0000000'): () => string {
  let count = 0;
  return () => {
    count += 1;
    return `${prefix}-0000-4000-8000-${String(count).padStart(12, '0')}`;
  };
}

const VERSIONS: Partial<Record<Service, Record<string, string>>> = {
  ironic: { 'X-OpenStack-Ironic-API-Version': '1.81' },
  nova: { 'OpenStack-API-Version': 'compute 2.90' },
  placement: { 'OpenStack-API-Version': 'placement 1.38' },
};

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers as deep as it likes
export type Body = any;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Body;
  readonly dropped?: Reply['dropped'];
}

/** One control plane with a clock at hand and an admin signed in. */
export class Lab {
  readonly clock = new TestClock();
  readonly plane: ControlPlane;
  readonly changes: ChangeEvent[] = [];
  token = '';

  constructor(options: Partial<ControlPlaneOptions> = {}) {
    this.plane = createControlPlane({ name: 'cp1', clock: this.clock, ids: countingIds(), ...options });
    this.plane.onChange((event) => this.changes.push(event));
  }

  static async open(options: Partial<ControlPlaneOptions> = {}): Promise<Lab> {
    const lab = new Lab(options);
    await lab.signIn();
    return lab;
  }

  async signIn(scope: unknown = { project: { name: 'admin', domain: { id: 'default' } } }): Promise<Answer> {
    const answer = await this.send('keystone', 'POST', '/v3/auth/tokens', passwordLogin(scope));
    this.token = answer.headers['X-Subject-Token'] ?? '';
    return answer;
  }

  async send(
    service: Service,
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string | undefined> = {},
  ): Promise<Answer> {
    const sent = { 'X-Auth-Token': this.token, ...VERSIONS[service], ...headers };
    return (await this.plane.handle({ service, method, path, body, headers: sent })) as Answer;
  }

  ironic(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.send('ironic', method, path, body);
  }

  nova(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.send('nova', method, `/v2.1${path}`, body);
  }

  async get(service: Service, path: string): Promise<Body> {
    return (await this.send(service, 'GET', path)).body;
  }

  async node(uuid: string): Promise<Body> {
    return this.get('ironic', `/v1/nodes/${uuid}`);
  }

  /** A request that may take its time: the clock goes on until it is answered. */
  async patiently(answer: Promise<Answer>, ms = 10_000): Promise<Answer> {
    let done: Answer | undefined;
    void answer.then((value) => {
      done = value;
    });
    for (let passed = 0; passed <= ms && done === undefined; passed += 100) await this.clock.advance(100);
    if (done === undefined) throw new Error(`no answer in ${ms} ms`);
    return done;
  }

  /** The body of a server for a node, as Ephyra sends it. */
  async serverFor(node: string, role = 'hadoop-worker', more: Record<string, unknown> = {}): Promise<Body> {
    const { flavors } = await this.get('nova', '/v2.1/flavors');
    const { images } = await this.get('glance', '/v2/images?name=hadoop-image');
    const { networks } = await this.get('neutron', '/v2.0/networks?name=tenant-net');
    return {
      server: {
        name: `${role}-test`,
        flavorRef: flavors.find((flavor: Body) => flavor.name === `bm.${role}`).id,
        imageRef: images[0].id,
        networks: [{ uuid: networks[0].id }],
        key_name: 'ops',
        hypervisor_hostname: node,
        ...more,
      },
    };
  }
}

export function passwordLogin(scope?: unknown, password = 'adminpass'): unknown {
  const user = { name: 'admin', domain: { id: 'default' }, password };
  return {
    auth: { identity: { methods: ['password'], password: { user } }, ...(scope === undefined ? {} : { scope }) },
  };
}

/** Ironic's message: a JSON string inside JSON. */
export function fault(answer: Answer): string {
  return JSON.parse(answer.body.error_message).faultstring;
}
