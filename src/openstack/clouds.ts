import { closest, distance } from 'fastest-levenshtein';
import { type CloudConfig, readCloud } from './cloud-config.ts';
import {
  type CloudFiles,
  type CloudProblem,
  type CloudsDeps,
  CloudsError,
  environmentCloud,
  findCloudFiles,
  mergeDeep,
  processCloudsDeps,
  type Raw,
} from './cloud-files.ts';
import { isRecord } from './messages.ts';

export type { CloudAuth, CloudConfig, CloudScope, DomainRef, NamedOrId } from './cloud-config.ts';
export { type CloudProblem, type CloudsDeps, CloudsError, processCloudsDeps } from './cloud-files.ts';

export interface CloudsFile {
  /** Path of clouds.yaml, or null when there is none. */
  readonly path: string | null;
  readonly securePath: string | null;
  readonly names: readonly string[];
  /**
   * @throws CloudsError with every problem of that cloud at once
   */
  resolveCloud(name: string): CloudConfig;
}

/**
 * Reads clouds.yaml and its companions by the rules of openstacksdk.
 * @throws CloudsError for a file that cannot be used
 */
export function loadClouds(deps: CloudsDeps = processCloudsDeps()): CloudsFile {
  const files = findCloudFiles(deps);
  const merged = mergeDeep(files.clouds?.content ?? {}, files.secure?.content ?? {});
  const inFile = isRecord(merged['clouds']) ? merged['clouds'] : {};
  const envName = deps.env['OS_CLOUD_NAME'] || 'envvars';
  const fromEnv = environmentCloud(deps.env);
  if (fromEnv !== null && envName in inFile) {
    throw new CloudsError([
      {
        file: files.clouds?.path ?? '',
        cloud: envName,
        field: '',
        problem: 'the OS_ variables of the environment describe a cloud of the same name',
        remedy: 'Rename this one, or set OS_CLOUD_NAME to another name for theirs.',
      },
    ]);
  }
  const clouds: Raw = fromEnv === null ? inFile : { ...inFile, [envName]: fromEnv };

  return {
    path: files.clouds?.path ?? null,
    securePath: files.secure?.path ?? null,
    names: Object.keys(clouds),
    resolveCloud(name) {
      const raw = clouds[name];
      if (!isRecord(raw)) throw new CloudsError([unknownCloud(name, Object.keys(clouds), files)]);
      const isEnv = fromEnv !== null && raw === fromEnv;
      return readCloud(
        name,
        raw,
        isEnv ? 'environment' : (files.clouds?.path ?? files.secure?.path ?? ''),
        files,
        deps,
      );
    },
  };
}

/** {@link loadClouds} and one cloud of it, for those who need only one. */
export function resolveCloud(name: string, deps: CloudsDeps = processCloudsDeps()): CloudConfig {
  return loadClouds(deps).resolveCloud(name);
}

function unknownCloud(name: string, names: string[], files: CloudFiles): CloudProblem {
  const passedOver = files.unreadable.length === 0 ? '' : ` Passed over, not readable: ${files.unreadable.join(', ')}.`;
  if (files.clouds === null) {
    return {
      file: 'clouds.yaml',
      cloud: name,
      field: '',
      problem: `not found in ${files.searched.join(', ')}`,
      remedy: `Put clouds.yaml into one of these, or name it in OS_CLIENT_CONFIG_FILE.${passedOver}`,
    };
  }
  const near = names.length === 0 ? null : closest(name, names);
  const meant = near !== null && distance(name, near) <= 3 ? ` Did you mean ${near}?` : '';
  return {
    file: files.clouds.path,
    cloud: name,
    field: '',
    problem: `there is no such cloud; it has ${names.join(', ') || 'none'}`,
    remedy: `Name one of these in ephyra.yml, or add the cloud here.${meant}${passedOver}`,
  };
}
