import type { Context } from '../context.ts';
import { pythonText } from '../http.ts';
import type { NodeRecord } from '../records.ts';
import { nodeLocked, nodeNotFound } from './errors.ts';

/** Clean steps that fake-hardware has. */
const CLEAN_STEPS = new Set([
  'bios.apply_configuration',
  'bios.factory_reset',
  'raid.create_configuration',
  'raid.delete_configuration',
]);

export interface Conductor {
  /** `cp1-conductor`. */
  readonly host: string;
  /** Runs `then` on the node when nobody holds its lock; tries three times, as Ironic does, then it is 409. */
  withLock<T>(uuid: string, then: (node: NodeRecord) => T): T | Promise<T>;
  /** Calls back, in a later turn of the clock, when the lock of the node is free (or the node is gone). */
  whenFree(uuid: string, then: () => void): void;
  /** Holds the lock for so long without doing anything. */
  hold(uuid: string, ms: number): void;
  /** Puts a node into a state, out of turn; without `reservation` its lock is free, and who waits for it goes on. */
  put(uuid: string, changes: Partial<NodeRecord>): void;
  power(uuid: string, target: 'power on' | 'power off' | 'rebooting', done?: () => void): void;
  manage(uuid: string): void;
  provide(uuid: string): void;
  clean(uuid: string, steps: readonly { interface?: unknown; step?: unknown }[]): void;
  inspect(uuid: string): void;
  adopt(uuid: string): void;
  /** Undeploys and cleans. `undeployed` is called when cleaning begins: all that Nova waits for. */
  undeploy(uuid: string, undeployed?: () => void): void;
  /** Deploys; `done` hears how it ended, and never when it hangs. */
  deploy(uuid: string, done?: (outcome: 'active' | 'deploy failed' | 'lost' | 'aborted') => void): void;
  /** Attaches or detaches ports: the lock for a while, nothing else. */
  network(uuid: string, ms: number, done: () => void): void;
}

/** What works on nodes in the background, each with the lock of its node. */
export function createConductor(host: string, getContext: () => Context): Conductor {
  const waiting = new Map<string, (() => void)[]>();
  const context = () => getContext();
  const nodeOf = (uuid: string) => context().world.tables.nodes.get(uuid);

  function change(uuid: string, changes: Partial<NodeRecord>): void {
    const now = context().clock.now();
    const moved = 'provision_state' in changes ? { provision_updated_at: now } : {};
    context().world.change('nodes', uuid, { ...changes, ...moved, updated_at: now });
  }

  /** Lets the lock go with the last changes of the job, in one step. */
  function end(uuid: string, changes: Partial<NodeRecord>): void {
    change(uuid, { ...changes, reservation: null });
    wake(uuid);
  }

  function wake(uuid: string): void {
    const callbacks = waiting.get(uuid);
    if (callbacks === undefined) return;
    waiting.delete(uuid);
    context().clock.after(0, () => {
      for (const [at, callback] of callbacks.entries()) {
        // The first may take the lock again: the others go on waiting.
        if (nodeOf(uuid)?.reservation) {
          waiting.set(uuid, [...(waiting.get(uuid) ?? []), ...callbacks.slice(at)]);
          return;
        }
        callback();
      }
    });
  }

  /** Goes on after `ms`, unless the node was deleted, or deleted and made again, meanwhile. */
  function later(uuid: string, ms: number, then: (node: NodeRecord) => void): void {
    const serial = nodeOf(uuid)?.serial;
    context().clock.after(ms, () => {
      const node = nodeOf(uuid);
      if (node !== undefined && node.serial === serial) then(node);
      else if (node === undefined) wake(uuid);
    });
  }

  function begin(uuid: string, state: string, target: string, changes: Partial<NodeRecord> = {}): void {
    change(uuid, {
      ...changes,
      provision_state: state,
      target_provision_state: target,
      reservation: host,
      last_error: null,
    });
  }

  /** As a conductor finds a node in whose deploy the one before it died. */
  function died(uuid: string): void {
    const last_error = `The deploying state can't be resumed by conductor ${host}. Moving to fail state.`;
    end(uuid, { provision_state: 'deploy failed', target_provision_state: 'active', last_error });
  }

  function cleaningFault(node: NodeRecord, steps: readonly { interface?: unknown; step?: unknown }[]): string | null {
    const { faults, world } = context();
    const wanted = node.driver_info['cleaning_network'];
    const networks = [...world.catalogue.networks.values()];
    if (wanted !== undefined && !networks.some(({ id, name }) => id === wanted || name === wanted)) {
      return `Validation of node ${node.uuid} for cleaning failed: cleaning network with name or UUID ${String(wanted)} was not found`;
    }
    const unknown = steps.find((step) => !CLEAN_STEPS.has(`${String(step.interface)}.${String(step.step)}`));
    if (unknown !== undefined)
      return `Cannot clean node ${node.uuid}: node does not support this clean step: ${pythonText(unknown)}`;
    if (faults.strikes('clean-fails', node))
      return `Timeout reached while cleaning the node. Please check if the ramdisk responsible for the cleaning is running on the node. Failed on step {}.`;
    return null;
  }

  function cleaning(
    uuid: string,
    target: 'available' | 'manageable',
    steps: readonly { interface?: unknown; step?: unknown }[] = [],
  ): void {
    begin(uuid, 'cleaning', target);
    later(uuid, context().settings.delays.clean, (node) => {
      const fault = cleaningFault(node, steps);
      // What is cleaned of its own accord and retired is not offered again.
      const state = node.retired ? 'manageable' : target;
      if (fault === null) end(uuid, { provision_state: state, target_provision_state: null });
      else end(uuid, { provision_state: 'clean failed', target_provision_state: target, last_error: fault });
    });
  }

  const wantsCleaning = (node: NodeRecord) => node.automated_clean ?? context().settings.automatedClean;

  const conductor: Conductor = {
    host,
    withLock(uuid, then) {
      const node = nodeOf(uuid);
      if (node === undefined) throw nodeNotFound(uuid);
      if (node.reservation === null) return then(node);
      return new Promise((resolve, reject) => {
        const attempt = (left: number) =>
          context().clock.after(context().settings.delays.lockRetry, () => {
            const again = nodeOf(uuid);
            try {
              if (again === undefined) throw nodeNotFound(uuid);
              if (again.reservation === null) resolve(then(again));
              else if (left > 0) attempt(left - 1);
              else throw nodeLocked(uuid, again.reservation);
            } catch (error) {
              reject(error);
            }
          });
        attempt(1);
      });
    },
    whenFree(uuid, then) {
      waiting.set(uuid, [...(waiting.get(uuid) ?? []), then]);
      if (!nodeOf(uuid)?.reservation) wake(uuid);
    },
    hold(uuid, ms) {
      const take = () => {
        change(uuid, { reservation: host });
        later(uuid, ms, () => end(uuid, {}));
      };
      if (nodeOf(uuid)?.reservation === null) take();
      else conductor.whenFree(uuid, take);
    },
    put(uuid, changes) {
      change(uuid, changes);
      if (nodeOf(uuid)?.reservation === null) wake(uuid);
    },
    power(uuid, target, done) {
      const final = target === 'power off' ? 'power off' : 'power on';
      change(uuid, { target_power_state: final, reservation: host, last_error: null });
      later(uuid, context().settings.delays.power, (node) => {
        const power_state = context().faults.strikes('power-never-reported', node) ? node.power_state : final;
        const driver_internal_info = {
          ...node.driver_internal_info,
          last_power_state_change: new Date(context().clock.now()).toISOString().slice(0, 23),
        };
        end(uuid, { power_state, target_power_state: null, driver_internal_info });
        done?.();
      });
    },
    manage(uuid) {
      const node = nodeOf(uuid);
      if (node === undefined) return;
      if (node.provision_state !== 'enroll') {
        // last_error is not cleared: it still tells of the cleaning that failed.
        change(uuid, { provision_state: 'manageable', target_provision_state: null });
        return;
      }
      begin(uuid, 'verifying', 'manageable');
      later(uuid, context().settings.delays.verify, (now) => {
        const { faults, settings } = context();
        if (faults.strikes('verify-fails', now) || !settings.bmcAccepts(uuid, now.driver_info)) {
          const last_error = `Failed to get power state for node ${uuid}. Error: Unable to establish a connection to the BMC.`;
          end(uuid, { provision_state: 'enroll', target_provision_state: null, last_error });
          return;
        }
        const reported = settings.bmcReportsPower && !faults.strikes('power-never-reported', now);
        const power_state = reported ? (now.power_state ?? 'power off') : now.power_state;
        end(uuid, { provision_state: 'manageable', target_provision_state: null, power_state });
      });
    },
    provide(uuid) {
      const node = nodeOf(uuid);
      if (node === undefined) return;
      if (wantsCleaning(node)) cleaning(uuid, 'available');
      else change(uuid, { provision_state: 'available', target_provision_state: null });
    },
    clean(uuid, steps) {
      cleaning(uuid, 'manageable', steps);
    },
    inspect(uuid) {
      begin(uuid, 'inspecting', 'manageable');
      later(uuid, context().settings.delays.adopt, () =>
        end(uuid, { provision_state: 'manageable', target_provision_state: null }),
      );
    },
    adopt(uuid) {
      begin(uuid, 'adopting', 'active');
      later(uuid, context().settings.delays.adopt, () =>
        end(uuid, { provision_state: 'active', target_provision_state: null }),
      );
    },
    undeploy(uuid, undeployed) {
      begin(uuid, 'deleting', 'available');
      later(uuid, context().settings.delays.teardown, (node) => {
        const { world } = context();
        for (const port of world.tables.ports.values()) {
          if (port.node_uuid === uuid && Object.keys(port.internal_info).length > 0)
            world.change('ports', port.uuid, { internal_info: {} });
        }
        const bare = {
          instance_uuid: null,
          instance_info: {},
          deploy_step: {},
          power_state: node.power_state === null ? null : 'power off',
        };
        change(uuid, bare);
        if (wantsCleaning(node)) cleaning(uuid, 'available');
        else end(uuid, { provision_state: 'available', target_provision_state: null });
        undeployed?.();
      });
    },
    deploy(uuid, done) {
      begin(uuid, 'deploying', 'active', {
        deploy_step: { step: 'deploy', priority: 100, argsinfo: null, interface: 'deploy' },
      });
      later(uuid, context().settings.delays.deploy, (node) => {
        const { faults } = context();
        if (faults.strikes('deploy-hangs', node)) {
          end(uuid, { provision_state: 'wait call-back', target_provision_state: 'active' });
        } else if (faults.strikes('deploy-lost', node)) {
          died(uuid);
          done?.('lost');
        } else if (faults.strikes('deploy-aborted', node)) {
          died(uuid);
          done?.('aborted');
        } else if (faults.strikes('deploy-fails', node)) {
          const last_error = 'Failed to deploy: Deploy step deploy.deploy failed: the image could not be written.';
          end(uuid, {
            provision_state: 'deploy failed',
            target_provision_state: 'active',
            last_error,
            deploy_step: {},
          });
          done?.('deploy failed');
        } else {
          end(uuid, {
            provision_state: 'active',
            target_provision_state: null,
            power_state: 'power on',
            deploy_step: {},
          });
          done?.('active');
        }
      });
    },
    network(uuid, ms, done) {
      change(uuid, { reservation: host });
      later(uuid, ms, () => {
        end(uuid, {});
        done();
      });
    },
  };
  return conductor;
}
