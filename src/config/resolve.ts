import { dirname, isAbsolute, join, resolve } from 'node:path';
import { loadBmcSecrets } from './bmcSecrets.ts';
import { type ConfigFiles, whyUnreadable, worldReadable } from './files.ts';
import type { Findings } from './issues.ts';
import { ConfigError } from './problems.ts';
import type { SecretRef } from './schema.ts';
import { Secret } from './secrets.ts';
import { formatPath, type Path } from './source.ts';
import type { UserData } from './types.ts';

/** Nova refuses more: 65535 bytes, counted in base64. */
const LONGEST_USER_DATA = 65_535;

/** What the configuration points at: environment variables and files. Reports what is not there. */
export class Outside {
  readonly #base: string;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #files: ConfigFiles;
  readonly #findings: Findings;

  constructor(file: string, env: Readonly<Record<string, string | undefined>>, files: ConfigFiles, findings: Findings) {
    this.#base = dirname(resolve(file));
    this.#env = env;
    this.#files = files;
    this.#findings = findings;
  }

  /** Relative paths are relative to the configuration file, wherever the process was started. */
  absolute(path: string): string {
    return isAbsolute(path) ? path : join(this.#base, path);
  }

  /** Null after a finding. Surrounding white space is not part of a secret: files end with a newline. */
  secret(path: Path, ref: SecretRef): Secret | null {
    const value = 'env' in ref ? this.#fromEnvironment(path, ref.env) : this.#fromFile(path, ref.file);
    if (value === null) return null;
    const trimmed = value.trim();
    if (trimmed !== '') return new Secret(trimmed);
    const where = 'env' in ref ? `environment variable ${ref.env}` : this.absolute(ref.file);
    this.#findings.problem(path, `the ${where} is empty`, 'Put the secret there.');
    return null;
  }

  /** Null after a finding. */
  userData(path: Path, file: string): UserData | null {
    const absolute = this.absolute(file);
    let content: Buffer;
    try {
      content = Buffer.from(this.#files.readFile(absolute));
    } catch (thrown) {
      this.#findings.problem(
        path,
        `the file ${absolute} cannot be read: ${whyUnreadable(thrown)}`,
        'Create it, or correct the path.',
      );
      return null;
    }
    const base64 = content.toString('base64');
    if (base64.length > LONGEST_USER_DATA) {
      this.#findings.problem(
        path,
        `the file ${absolute} has ${content.length} bytes; Nova takes about 49000`,
        'Make it shorter, or let it fetch the rest.',
      );
      return null;
    }
    return { path: absolute, base64: new Secret(base64) };
  }

  /** Looks whether the file with BMC secrets can be used, so that a deployment does not find out half-way. */
  bmcSecretsFile(path: Path, file: string): void {
    const absolute = this.absolute(file);
    try {
      for (const warning of loadBmcSecrets(absolute, this.#files).warnings) {
        this.#findings.warning(path, warning.problem, warning.remedy);
      }
    } catch (thrown) {
      if (!(thrown instanceof ConfigError)) throw thrown;
      for (const inner of thrown.problems) {
        const place =
          inner.path === '' ? '' : `${absolute}${inner.line === null ? '' : `:${inner.line}`}, ${inner.path}: `;
        this.#findings.problem(path, `${place}${inner.problem}`, inner.remedy);
      }
    }
  }

  #fromEnvironment(path: Path, name: string): string | null {
    const value = this.#env[name];
    if (value !== undefined) return value;
    this.#findings.problem(
      path,
      `the environment variable ${name} is not set`,
      `Set ${name}, or write { file: PATH } at ${formatPath(path)}.`,
    );
    return null;
  }

  #fromFile(path: Path, file: string): string | null {
    const absolute = this.absolute(file);
    try {
      const content = this.#files.readFile(absolute).toString();
      if (worldReadable(absolute, this.#files)) {
        this.#findings.warning(path, `every account on this machine may read ${absolute}`, `Run: chmod o= ${absolute}`);
      }
      return content;
    } catch (thrown) {
      this.#findings.problem(
        path,
        `the file ${absolute} cannot be read: ${whyUnreadable(thrown)}`,
        'Create it with the secret as its only content, or correct the path.',
      );
      return null;
    }
  }
}
