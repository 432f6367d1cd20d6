/**
 * What a run remembers and neither cloud can tell. All of it may be lost with the process: without it the application is
 * merely asked once more, and its verbs are idempotent.
 */
export interface Memory {
  /** The application has accepted the node, in this very step. */
  readonly added?: boolean;
  /** The node was found healthy, and the application with it, in this very step. */
  readonly verified?: boolean;
  /** The application has let go of the node, and has not been asked since to take it. */
  readonly removed?: boolean;
  /** An earlier run has begun with the node, and no answer to a write has lately shown it without a mark. */
  readonly perhapsMarked?: boolean;
}
