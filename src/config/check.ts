import { describeConfig } from './describe.ts';
import { type LoadOptions, loadConfig } from './load.ts';
import { ConfigError } from './problems.ts';

/**
 * The whole of `--check`: reads the configuration and everything it points at, changes nothing, and says what it found.
 * `ok` is false when Ephyra would not start with it; `text` is for people and holds no secret.
 */
export function checkConfig(options: LoadOptions): { readonly ok: boolean; readonly text: string } {
  try {
    return { ok: true, text: describeConfig(loadConfig(options)) };
  } catch (thrown) {
    if (thrown instanceof ConfigError) return { ok: false, text: thrown.message };
    throw thrown;
  }
}
