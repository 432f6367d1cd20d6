import { Failure } from '../../machines/errors.ts';
import type { ApplicationNode, PluginFactory } from '../../machines/plugin.ts';
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
      if (parts.length === 0) return verifyOther(cluster, context);
      const has = (health: string) => parts.some((part) => part.health === health);
      const all = (membership: string) => parts.every((part) => part.membership === membership);
      const some = (membership: string) => parts.some((part) => part.membership === membership);
      return {
        health: has('unhealthy') ? 'unhealthy' : has('unknown') ? 'unknown' : 'healthy',
        membership: some('in') ? 'in' : all('out') ? 'out' : 'unknown',
        reasons: parts.flatMap((part) => part.reasons),
      };
    },
    verifyApplication: (context) => verifyApplication(cluster, context),
    async close() {
      cluster.close();
    },
  };
};

export default createPlugin;
