import type { Health, Membership } from '../../machines/domain.ts';
import { Failure } from '../../machines/errors.ts';
import type { ApplicationNode, NodeHealth, PluginContext, PluginFactory, PluginSetup } from '../../machines/plugin.ts';
import { parseOptions } from '../support/options.ts';
import { throwIfAborted } from '../support/wait.ts';
import { verifyApplication } from './application.ts';
import { createCluster } from './cluster.ts';
import { addMaster, isBound, removeMaster, removeOther, verifyMaster, verifyOther } from './master.ts';
import { hadoopOptions, type RoleOptions } from './schema.ts';
import { addWorker, removeWorker, verifyWorker } from './worker.ts';

/** Apache Hadoop: YARN and HDFS. Options and behaviour are described in README.md beside this file. */
export const createPlugin: PluginFactory = (setup) => {
  const options = parseOptions('hadoop', hadoopOptions, setup.options);
  const cluster = createCluster(options, setup);

  const worker = (role: RoleOptions) => role.yarn || role.hdfs !== false;
  const roleOf = (node: ApplicationNode): RoleOptions => {
    const role = Object.hasOwn(options.roles, node.role) ? options.roles[node.role] : undefined;
    if (!role) {
      throw new Failure({
        reason: 'application_refused',
        next: 'stop',
        message: `The role "${node.role}" of ${node.name} is not among the roles of the hadoop plugin (${Object.keys(options.roles).join(', ')}).`,
        remedy: `Add it to application.options.roles: what of Hadoop runs on it?`,
      });
    }
    if (role.master && !isBound(cluster, node)) {
      throw new Failure({
        reason: 'application_refused',
        next: 'stop',
        message: `${node.name} has the role "${node.role}" of a master, but no ResourceManager or NameNode is said to run on it.`,
        remedy: `Name it as "node" of its entries in application.options.resourceManagers and nameNodes.`,
      });
    }
    return role;
  };

  const verify = async (node: ApplicationNode, context: PluginContext): Promise<NodeHealth> => {
    let role: RoleOptions;
    try {
      role = roleOf(node);
    } catch (error) {
      return { health: 'unknown', membership: 'unknown', reasons: [(error as Failure).message] };
    }
    const parts = [
      ...(isBound(cluster, node) ? [await verifyMaster(cluster, node, context)] : []),
      ...(worker(role) ? [await verifyWorker(cluster, node, role, context)] : []),
    ];
    return parts.length === 0 ? verifyOther(cluster, context) : together(parts);
  };

  return {
    name: 'hadoop',
    async removeNode(node, context) {
      throwIfAborted(context.signal);
      const role = roleOf(node);
      // Masters first: a worker that is drained in vain, because its master cannot be spared, costs hours.
      if (isBound(cluster, node)) await removeMaster(cluster, node, context);
      if (worker(role)) await removeWorker(cluster, node, role, context);
      else if (!isBound(cluster, node)) await removeOther(cluster, node, context);
    },
    async addNode(node, context) {
      throwIfAborted(context.signal);
      const role = roleOf(node);
      if (isBound(cluster, node)) await addMaster(cluster, node, context);
      if (worker(role)) await addWorker(cluster, node, role, context);
    },
    async verifyNode(node, context) {
      const late = ['Hadoop did not answer in time'];
      return inTime(setup, context, verify(node, context), { health: 'unknown', membership: 'unknown', reasons: late });
    },
    async verifyApplication(context) {
      const late = ['Hadoop did not answer in time'];
      return inTime(setup, context, verifyApplication(cluster, context), { health: 'unknown', reasons: late });
    },
    async close() {
      cluster.close();
    },
  };
};

export default createPlugin;

/** A node with several parts: in while one is, out only when all are, as ill as the worst. */
function together(parts: readonly NodeHealth[]): NodeHealth {
  const health = (wanted: Health) => parts.some((part) => part.health === wanted);
  const is = (wanted: Membership) => (part: NodeHealth) => part.membership === wanted;
  return {
    health: health('unhealthy') ? 'unhealthy' : health('unknown') ? 'unknown' : 'healthy',
    membership: parts.some(is('in')) ? 'in' : parts.every(is('out')) ? 'out' : 'unknown',
    reasons: parts.flatMap((part) => part.reasons),
  };
}

/** Beyond this a timer of Node fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The answer, or at the deadline the one for "too late": masters that hang must not hold up who asks. */
async function inTime<T>(setup: PluginSetup, context: PluginContext, work: Promise<T>, late: T): Promise<T> {
  const done = new AbortController();
  const tooLate = setup
    .sleep(Math.min(LONGEST_TIMER_MS, Math.max(0, context.deadline - setup.elapsed())), done.signal)
    .then(() => late);
  tooLate.catch(() => {});
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    done.abort();
  }
}
