import { z } from 'zod';
import { duration } from '../support/duration.ts';

const argv = z
  .array(z.string())
  .min(1, 'must be a list: the program, then its arguments, e.g. ["/opt/app/drain", "--now"]');

/** Options of the plugin `exec`. */
export const execOptions = z.strictObject({
  /** Take the node out of service; exits 0 once it is out. */
  remove: argv,
  /** Bring the node into service; exits 0 once the application has accepted it. */
  add: argv,
  /** Look at one node. */
  verifyNode: argv,
  /** Look at the application. */
  verifyApplication: argv,
  /** A verify that runs longer counts as unknown. */
  verifyTimeout: duration.prefault('30s'),
  /** A remove or add that runs longer is killed and tried again. Default: until the step's deadline. */
  timeout: duration.optional(),
  /** Variables given to the commands, besides PATH, HOME and the like and the EPHYRA_ ones. */
  env: z.record(z.string(), z.string()).default({}),
  /** Names of variables of Ephyra's own environment that the commands may see. None by default: it holds secrets. */
  passEnv: z.array(z.string()).default([]),
  /** Working directory of the commands. */
  cwd: z.string().optional(),
});

export type ExecOptions = z.output<typeof execOptions>;

/** The optional JSON object on the last line of a verify's stdout. */
export const execAnswer = z.object({
  health: z.enum(['healthy', 'unhealthy', 'unknown']).optional(),
  membership: z.enum(['in', 'out', 'unknown']).optional(),
  reasons: z.array(z.string()).optional(),
  unavailable: z.array(z.string()).optional(),
  membersInService: z.number().int().nonnegative().optional(),
});
export type ExecAnswer = z.output<typeof execAnswer>;
