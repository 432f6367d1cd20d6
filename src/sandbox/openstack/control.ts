import type { ControlPlane } from './controlplane.ts';
import type { FaultRule } from './faults.ts';
import { isMap } from './http.ts';

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * What a page or a test does to a control plane from outside. All bodies are JSON.
 *
 *     GET    /fleet                       what is where (no secrets)
 *     GET    /faults                      the rules in force
 *     POST   /faults                      a rule as in `faults.ts`, `match.path` as text; 201 { id }
 *     DELETE /faults                      none any more
 *     DELETE /faults/{id}
 *     POST   /nodes/{node}/maintenance    { maintenance?: true, reason? }
 *     DELETE /nodes/{node}/maintenance
 *     PUT    /policy                      { showPassword }
 *     PUT    /delays                      milliseconds by name
 *     DELETE /catalogue/{kind}/{name}     kind: flavor, image, network, keypair
 *
 * A request that it cannot make sense of is 400 or 404 with `{ error }`.
 */
export function control(controlPlane: ControlPlane, method: string, path: string, body: unknown): Answer {
  try {
    return route(
      controlPlane,
      method.toUpperCase(),
      path.split('?')[0]?.split('/').filter(Boolean).map(decodeURIComponent) ?? [],
      body,
    );
  } catch (error) {
    return { status: 400, body: { error: error instanceof Error ? error.message : String(error) } };
  }
}

function route(
  controlPlane: ControlPlane,
  method: string,
  [what, first, second]: readonly string[],
  body: unknown,
): Answer {
  const given = isMap(body) ? body : {};
  switch (`${method} ${what}`) {
    case 'GET fleet':
      return { status: 200, body: controlPlane.fleet() };
    case 'GET faults':
      return {
        status: 200,
        body: {
          faults: controlPlane.faults
            .list()
            .map((fault) => ({ ...fault, match: { ...fault.match, path: textOf(fault.match?.path) } })),
        },
      };
    case 'POST faults':
      return { status: 201, body: { id: controlPlane.faults.add(readRule(body)) } };
    case 'DELETE faults':
      if (first === undefined) controlPlane.faults.clear();
      else if (!controlPlane.faults.remove(first))
        return { status: 404, body: { error: `no fault "${first}" is in force` } };
      return { status: 200, body: {} };
    case 'POST nodes':
    case 'PUT nodes':
    case 'DELETE nodes': {
      if (first === undefined || second !== 'maintenance') break;
      const maintenance = method !== 'DELETE' && given['maintenance'] !== false;
      const { reason } = given;
      if (typeof reason === 'string') controlPlane.setMaintenance(first, maintenance, reason);
      else controlPlane.setMaintenance(first, maintenance);
      return { status: 200, body: {} };
    }
    case 'PUT policy':
      controlPlane.setShowPassword(given['showPassword'] === true);
      return { status: 200, body: {} };
    case 'PUT delays':
      for (const [name, ms] of Object.entries(given)) {
        if (!(name in controlPlane.delays) || typeof ms !== 'number' || !(ms >= 0)) {
          throw new Error(
            `delay ${name}: ${JSON.stringify(ms)} is not milliseconds of one of ${Object.keys(controlPlane.delays).join(', ')}`,
          );
        }
      }
      Object.assign(controlPlane.delays, given);
      return { status: 200, body: controlPlane.delays };
    case 'DELETE catalogue':
      if (second === undefined || !['flavor', 'image', 'network', 'keypair'].includes(first ?? '')) break;
      controlPlane.forget({ [first ?? '']: second });
      return { status: 200, body: {} };
    default:
  }
  return {
    status: 404,
    body: { error: `${method} /${[what, first, second].filter(Boolean).join('/')} is not known here` },
  };
}

function textOf(pattern: RegExp | string | undefined): string | undefined {
  return pattern instanceof RegExp ? pattern.source : pattern;
}

function readRule(body: unknown): FaultRule {
  if (!isMap(body) || !isMap(body['effect']) || typeof body['effect']['kind'] !== 'string') {
    throw new Error(
      'a fault needs effect.kind, e.g. { "effect": { "kind": "clean-fails" }, "match": { "node": "node-03" } }',
    );
  }
  return body as unknown as FaultRule;
}
