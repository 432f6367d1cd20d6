import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Hadoop } from './hadoop/hadoop.ts';
import { createHadoop } from './hadoop/hadoop.ts';
import type { Installation } from './hadoop/install.ts';
import { installHadoop } from './hadoop/install.ts';
import type { HadoopUrls } from './hadoop/listen.ts';
import { listenHadoop } from './hadoop/listen.ts';
import type { HadoopNodeSpec } from './hadoop/model.ts';
import type { ControlPlane, Delays } from './openstack/index.ts';
import { createControlPlane, listen, SANDBOX_DELAYS, seedNodes, systemClock } from './openstack/index.ts';
import type { FleetView } from './page/index.ts';
import { createPageHandler } from './page/index.ts';
import { SCENARIOS, Stage } from './scenarios.ts';
import type { Slack } from './slack/index.ts';
import { attachSocketMode, createSlack } from './slack/index.ts';

export interface SandboxOptions {
  readonly nodes: number;
  readonly masters: number;
  /** Of the page and the Slack emulator; 0 = any free one. */
  readonly port: number;
  /** Where the emulated Hadoop keeps its commands and hosts files. */
  readonly folder: string;
  readonly delays?: Partial<Delays>;
  /** Milliseconds of the Hadoop emulator, e.g. how long a container runs on. */
  readonly hadoopTimings?: Parameters<typeof createHadoop>[0]['timings'];
}

export interface Sandbox {
  /** Of the page. The Slack API is below it, under /api/. */
  readonly url: string;
  readonly controlPlanes: readonly ControlPlane[];
  /** Keystone's address by control plane. */
  readonly keystone: Readonly<Record<string, string>>;
  readonly hadoop: Hadoop;
  readonly hadoopNodes: readonly HadoopNodeSpec[];
  readonly hadoopUrls: HadoopUrls;
  readonly hadoopFiles: Installation;
  readonly slack: Slack;
  readonly stage: Stage;
  close(): Promise<void>;
}

/** Two control planes, a Hadoop on the nodes of the first, a Slack and its page: everything Ephyra talks to, on loopback. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const controlPlanes = ['cp1', 'cp2'].map((name) =>
    createControlPlane({
      name,
      clock: systemClock,
      ids: randomUUID,
      showPassword: true,
      delays: { ...SANDBOX_DELAYS, ...options.delays },
    }),
  );
  const [cp1] = controlPlanes;
  cp1?.seed({ nodes: seedNodes(options.nodes, options.masters), booted: true });
  const listening = await Promise.all(controlPlanes.map((controlPlane) => listen(controlPlane)));

  const hadoopNodes = (cp1?.fleet().nodes ?? []).flatMap(({ instance, role }): HadoopNodeSpec[] =>
    instance === null
      ? []
      : [
          {
            host: instance.name,
            address: instance.addresses[0] ?? '',
            role: role === 'hadoop-master' ? 'master' : 'worker',
          },
        ],
  );
  const hadoop = createHadoop({
    clock: systemClock,
    nodes: hadoopNodes,
    ...(options.hadoopTimings === undefined ? {} : { timings: options.hadoopTimings }),
  });
  followMachines(controlPlanes, hadoop);
  const hadoopListening = await listenHadoop(hadoop);
  const hadoopFiles = await installHadoop(options.folder, hadoopListening.urls.admin);

  const slack = createSlack();
  const stage = new Stage({ controlPlanes, hadoop, slack });
  const handle = createPageHandler({
    slack,
    fleet: () => fleetView(controlPlanes, hadoop, stage),
    scenarios: { activate: (name) => stage.activate(name) },
  });
  const server = createServer((request, response) => {
    void handle(request, response).then((handled) => {
      if (!handled) response.writeHead(404).end();
    });
  });
  const endSockets = attachSocketMode(server, slack);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  slack.core.baseUrl = url;

  return {
    url,
    controlPlanes,
    keystone: Object.fromEntries(listening.map(({ urls }, index) => [controlPlanes[index]?.name ?? '', urls.keystone])),
    hadoop,
    hadoopNodes,
    hadoopUrls: hadoopListening.urls,
    hadoopFiles,
    slack,
    stage,
    async close() {
      endSockets();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await Promise.all([...listening.map((each) => each.close()), hadoopListening.close()]);
      hadoop.close();
    },
  };
}

/** A Hadoop host is up while an instance of its name is ACTIVE on a powered node, wherever that is. */
function followMachines(controlPlanes: readonly ControlPlane[], hadoop: Hadoop): void {
  const look = (name: string): void => {
    for (const controlPlane of controlPlanes) {
      for (const { instance } of controlPlane.fleet().nodes) {
        if (instance?.name === name && instance.status === 'ACTIVE' && instance.taskState !== 'deleting') {
          hadoop.setMachine(name, true, instance.addresses[0] ?? null, instance.id);
          return;
        }
      }
    }
    hadoop.setMachine(name, false);
  };
  for (const controlPlane of controlPlanes) {
    for (const { instance } of controlPlane.fleet().nodes) if (instance !== null) look(instance.name);
    controlPlane.onChange(({ kind, before, after }) => {
      if (!kind.startsWith('instance.') || kind === 'instance.metadata') return;
      const name = after?.['name'] ?? before?.['name'];
      if (typeof name === 'string') look(name);
    });
  }
}

function fleetView(controlPlanes: readonly ControlPlane[], hadoop: Hadoop, stage: Stage): FleetView {
  const { health, reasons, nodes, summary } = hadoop.fleet();
  return {
    controlPlanes: controlPlanes.map((controlPlane) => {
      const { name, nodes: there } = controlPlane.fleet();
      return {
        name,
        nodes: there.map(({ managed: _managed, instance, ...node }) => ({
          ...node,
          name: node.name ?? node.uuid,
          role: node.role ?? '',
          instance:
            instance === null
              ? null
              : { id: instance.id, name: instance.name, status: instance.status, addresses: [...instance.addresses] },
        })),
      };
    }),
    application: {
      health,
      reasons: [...reasons],
      summary: [
        `ResourceManager ${summary.activeResourceManager ?? 'none active'}`,
        `NameNode ${summary.activeNameNode ?? 'none active'}`,
        `${summary.inService} of ${summary.workers} workers in service`,
        `${summary.underReplicated} of ${summary.blocks} blocks under-replicated`,
      ].join(' · '),
      nodes: nodes.map((node) => ({ name: node.name, address: node.address, role: node.role, state: node.state })),
    },
    scenario: {
      active: stage.active,
      available: SCENARIOS.map(({ name, description }) => ({ name, description })),
    },
  };
}
