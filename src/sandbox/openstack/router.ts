import type { Call } from './http.ts';
import type { Reply } from './types.ts';

export type Answer = Reply | Promise<Reply>;

/** `:name` in a pattern stands for one segment, handed over in `params`. */
export type Routes<C> = Readonly<
  Record<string, (call: Call, params: Readonly<Record<string, string>>, context: C) => Answer>
>;

export type Found<C> =
  | { readonly kind: 'route'; readonly run: (call: Call, context: C) => Answer }
  | { readonly kind: 'method'; readonly allowed: readonly string[] }
  | { readonly kind: 'none' };

interface Route<C> {
  readonly method: string;
  readonly segments: readonly string[];
  readonly run: Routes<C>[string];
}

/** Routes are written `GET /v1/nodes/:node`; the first that fits is taken, so fixed segments go before `:name`. */
export function createRouter<C>(...tables: readonly Routes<C>[]): (call: Call) => Found<C> {
  const byLength = new Map<number, Route<C>[]>();
  for (const table of tables) {
    for (const [key, run] of Object.entries(table)) {
      const [method = '', path = ''] = key.split(' ');
      const segments = path.split('/').filter((segment) => segment !== '');
      const routes = byLength.get(segments.length) ?? [];
      routes.push({ method, segments, run });
      byLength.set(segments.length, routes);
    }
  }
  return (call) => {
    const allowed: string[] = [];
    for (const route of byLength.get(call.segments.length) ?? []) {
      if (!fits(route.segments, call.segments)) continue;
      if (route.method === call.method) {
        const params = paramsOf(route.segments, call.segments);
        return { kind: 'route', run: (c, context) => route.run(c, params, context) };
      }
      allowed.push(route.method);
    }
    return allowed.length > 0 ? { kind: 'method', allowed } : { kind: 'none' };
  };
}

const fits = (pattern: readonly string[], segments: readonly string[]): boolean =>
  pattern.every((part, at) => part.startsWith(':') || part === segments[at]);

function paramsOf(pattern: readonly string[], segments: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  pattern.forEach((part, at) => {
    if (part.startsWith(':')) params[part.slice(1)] = segments[at] ?? '';
  });
  return params;
}
