import { abort } from './abort.ts';
import { approve } from './approve.ts';
import type { Command } from './command.ts';
import { deploy } from './deploy.ts';
import { helpCommand } from './help.ts';
import { list } from './list.ts';
import { lock } from './lock.ts';
import { locks } from './locks.ts';
import { nodes } from './nodes.ts';
import { plan } from './plan.ts';
import { status } from './status.ts';
import { stop } from './stop.ts';
import { unlock } from './unlock.ts';
import { why } from './why.ts';

/** Every subcommand, in the order in which `help` shows them. A new one is a file and a line here. */
export const COMMANDS: readonly Command[] = [
  helpCommand(() => COMMANDS),
  status,
  why,
  nodes,
  plan,
  list,
  locks,
  deploy,
  approve,
  stop,
  abort,
  lock,
  unlock,
];
