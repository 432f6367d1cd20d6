import { isMap, type JsonMap, pythonText } from '../http.ts';
import { IronicError } from './errors.ts';

export interface PatchStep {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: string;
  readonly value?: unknown;
}

const PATH = /^(\/[\w-]+)+$/;

/** The steps, or the 400 of Ironic: only add, replace and remove exist, so there is no compare-and-set. */
export function readPatch(body: unknown, allowed: readonly string[]): PatchStep[] {
  if (!Array.isArray(body)) throw schemaError(`${pythonText(body)} is not of type 'array'`);
  return body.map((step: unknown) => {
    if (!isMap(step)) throw schemaError(`${pythonText(step)} is not of type 'object'`);
    const extra = Object.keys(step).filter((key) => !['op', 'path', 'value'].includes(key));
    if (extra.length > 0)
      throw schemaError(
        `Additional properties are not allowed (${extra.map((key) => `'${key}'`).join(', ')} ${extra.length === 1 ? 'was' : 'were'} unexpected)`,
      );
    const { op, path } = step;
    for (const key of ['op', 'path']) if (step[key] === undefined) throw schemaError(`'${key}' is a required property`);
    if (op !== 'add' && op !== 'replace' && op !== 'remove')
      throw schemaError(`${pythonText(op)} is not one of ['add', 'replace', 'remove']`);
    if (typeof path !== 'string' || !PATH.test(path))
      throw schemaError(`${pythonText(path)} does not match '^(/[\\\\w-]+)+$'`);
    const root = path.split('/')[1] ?? '';
    if (!allowed.includes(root))
      throw new IronicError(400, `Cannot patch /${root}. Only the following can be updated: ${allowed.join(', ')}`);
    return { op, path, ...('value' in step ? { value: step['value'] } : {}) };
  });
}

/** The document with the steps applied, in order; the old one stays as it was. `defaults` is what removing a root leaves. */
export function applyPatch(
  document: JsonMap,
  steps: readonly PatchStep[],
  defaults: (root: string) => unknown,
): JsonMap {
  let result = document;
  for (const step of steps) {
    if (step.op !== 'remove' && !('value' in step))
      throw failed(step, "The operation does not contain a 'value' member");
    const [root = '', ...rest] = step.path.slice(1).split('/');
    if (rest.length > 0) result = { ...result, [root]: edited(result[root], rest, step) };
    else result = { ...result, [root]: step.op === 'remove' ? defaults(root) : step.value };
  }
  return result;
}

function edited(target: unknown, keys: readonly string[], step: PatchStep): unknown {
  const [key = '', ...rest] = keys;
  if (Array.isArray(target)) return editedList(target, key, rest, step);
  if (!isMap(target)) throw failed(step, `member '${key}' not found in ${pythonText(target)}`);
  if (rest.length > 0) {
    if (!Object.hasOwn(target, key)) throw failed(step, `member '${key}' not found in ${pythonText(target)}`);
    return { ...target, [key]: edited(target[key], rest, step) };
  }
  if (step.op !== 'add' && !Object.hasOwn(target, key))
    throw failed(step, `can't ${step.op} a non-existent object '${key}'`);
  if (step.op !== 'remove') return { ...target, [key]: step.value };
  const { [key]: _removed, ...others } = target;
  return others;
}

function editedList(target: readonly unknown[], key: string, rest: readonly string[], step: PatchStep): unknown {
  const at = key === '-' && step.op === 'add' && rest.length === 0 ? target.length : Number(key);
  const limit = step.op === 'add' && rest.length === 0 ? target.length : target.length - 1;
  if (!Number.isInteger(at) || at < 0) throw failed(step, `'${key}' is not a valid sequence index`);
  if (at > limit) throw failed(step, rest.length > 0 ? 'index is out of bounds' : `can't ${step.op} outside of list`);
  if (rest.length > 0) return target.with(at, edited(target[at], rest, step));
  if (step.op === 'remove') return target.toSpliced(at, 1);
  return step.op === 'add' ? target.toSpliced(at, 0, step.value) : target.with(at, step.value);
}

function failed(step: PatchStep, reason: string): IronicError {
  return new IronicError(400, `Couldn't apply patch '${pythonText(step)}'. Reason: ${reason}`);
}

function schemaError(reason: string): IronicError {
  return new IronicError(400, `Schema error for patch: ${reason}`);
}
