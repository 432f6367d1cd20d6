import type { World } from './world.ts';

/**
 * What the contract suite needs of an OpenStack control plane, be it the emulator or a real one: where it is, who may
 * enter, and the states of the world that its API alone reaches only by chance or slowly.
 *
 * The suite talks to every backend by raw HTTP alone, so that neither side's client code can hide a difference.
 */
export interface Backend {
  readonly name: 'emulator' | 'real';
  /** Keystone v3, without a slash at the end. */
  readonly authUrl: string;
  readonly admin: Admin;
  /** Names of what both backends hold: see the README of the real stack. */
  readonly contents: Contents;
  /** Milliseconds between two looks while waiting for a state. */
  readonly pollMs: number;
  /** Milliseconds after which a state that was waited for will not come any more. */
  readonly patienceMs: number;

  /** A conductor holds the node's lock (`reservation`) until `unlockNode`. */
  lockNode(uuid: string): Promise<void>;
  unlockNode(uuid: string): Promise<void>;
  /** The node looks as if a clean were under way, with no lock held, until `settleNode`. */
  beginTransition(uuid: string): Promise<void>;
  settleNode(uuid: string, provisionState: 'available' | 'manageable' | 'active'): Promise<void>;
  /** The node as a conductor that died while deploying leaves it: `deploy failed`, with the instance still set. */
  strandNode(uuid: string, instance: string): Promise<void>;
  /** Whether the cleans of a lab node fail from now on. */
  failCleaning(world: World, lab: number, fails: boolean): Promise<void>;
  /** Whether policy lets an admin read secrets in `driver_info`. */
  setShowPassword(shown: boolean): Promise<void>;
  /** A fresh project-scoped token that expires in so many seconds. */
  shortToken(seconds: number): Promise<string>;
  /** An application credential of the admin in the admin's project. */
  applicationCredential(): Promise<{ readonly id: string; readonly secret: string }>;
  close(): Promise<void>;
}

export interface Admin {
  readonly username: string;
  readonly password: string;
  readonly userDomain: string;
  readonly project: string;
  readonly projectDomain: string;
  readonly region: string;
}

export interface Contents {
  readonly network: string;
  readonly image: string;
  readonly keyPair: string;
  /** Flavor, resource class and trait that a node must have to carry an instance of that flavor. */
  readonly worker: Role;
  readonly master: Role;
  /** First three octets of the addresses that instances get. */
  readonly block: string;
}

export interface Role {
  readonly flavor: string;
  readonly resourceClass: string;
  readonly trait: string;
}
