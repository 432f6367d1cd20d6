import { z } from 'zod';
import type { PluginFactory } from '../../machines/plugin.ts';
import { parseOptions } from '../support/options.ts';
import { throwIfAborted } from '../support/wait.ts';

/**
 * No application: machines are moved as they are. There is nothing to take out of service, so every node is `out` at
 * any time (stopping it harms no application) and nothing that could be unhealthy, so everything is `healthy`. Both
 * answers are constant: they survive a restart without any memory.
 */
export const createPlugin: PluginFactory = (setup) => {
  parseOptions('none', z.strictObject({}), setup.options);
  return {
    name: 'none',
    async removeNode(_node, context) {
      throwIfAborted(context.signal);
    },
    async addNode(_node, context) {
      throwIfAborted(context.signal);
    },
    async verifyNode() {
      return { health: 'healthy', membership: 'out', reasons: [] };
    },
    async verifyApplication() {
      return { health: 'healthy', reasons: [], unavailable: [] };
    },
  };
};

export default createPlugin;
