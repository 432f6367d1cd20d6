import type { Deliveries } from './deliveries.ts';
import type { AppConfig, Clock, Mean, NewId } from './model.ts';
import type { ResponseUrls } from './responses.ts';
import type { Sockets } from './sockets.ts';
import type { Triggers } from './triggers.ts';
import type { Workspace } from './workspace.ts';

/** What the parts of the emulator share. */
export interface Core {
  clock: Clock;
  newId: NewId;
  app: AppConfig;
  mean: Mean;
  workspace: Workspace;
  sockets: Sockets;
  deliveries: Deliveries;
  responses: ResponseUrls;
  triggers: Triggers;
  /** The address under which the app reaches the emulator, without a slash at the end. */
  baseUrl: string;
}
