/** A hosts file is not of the form that Hadoop reads: it is left alone. The message completes "path: ...". */
export class HostsFileError extends Error {
  override readonly name = 'HostsFileError';
}
