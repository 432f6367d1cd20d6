/** A deliberate bug: one piece of the source replaced by another. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** Occurs exactly once in the file; else the list is out of date, and the run says so. */
  readonly find: string;
  readonly replace: string;
  /** Invariants of which one must find it. */
  readonly foundBy: readonly string[];
  /** A seed that has found it: it is played first, and the others when it finds it no more. */
  readonly hint?: number;
  /**
   * What is played in place of the worlds of all seeds: `collisions` for what takes two things at the same time, `behind` for what
   * takes lists that are behind much and often.
   */
  readonly among?: 'collisions' | 'behind';
}

const DEFINITIONS = 'definitions present';
const POWER = 'one power manager';
const EVIDENCE = 'evidence before destruction';
const HARM = 'no machine stops in service';
const CEILING = 'unavailability ceiling';
const FOREIGN = 'foreign nodes untouched';
const ROLES = 'roles whole at the end';
const REPEATED = 'no repeated destruction';
const EXCLUSIVE = 'one deployment per pair';
const SECRETS = 'no secret gets out';
const SAME_NODES = 'same nodes after a kill';
const SLACK = 'Slack without influence';
const ONE_WRITER = 'one writer per control plane';
const SETTLED = 'ended is settled';
const ENDS = 'comes to an end';

/** What the simulation must find, in decide, actors, claims, the migration, the door and the clients. */
export const MUTANTS: readonly Mutant[] = [
  // --- decide
  {
    name: 'an instance is stopped without asking the application to let go',
    file: 'machines/decide/leave.ts',
    find: "const isOut = seen.membership.is === 'present' && seen.membership.value === 'out';",
    replace: 'const isOut = true;\n  if (memory.removed !== true) memory = { ...memory, removed: true };',
    foundBy: [EVIDENCE, HARM],
  },
  {
    name: 'an application that does not say is taken for one that lets go',
    file: 'machines/decide/leave.ts',
    find: "const isOut = seen.membership.is === 'present' && seen.membership.value === 'out';",
    replace: "const isOut = seen.membership.is !== 'present' || seen.membership.value === 'out';",
    foundBy: [EVIDENCE, HARM],
    hint: 41,
  },
  {
    name: 'a node in maintenance is taken apart',
    file: 'machines/decide/leave.ts',
    find: 'if (here.maintenance) return wait(null, maintenanceReason(here, move.from), nodesAt(move.from));',
    replace: '',
    foundBy: [EVIDENCE],
    hint: 779,
  },
  {
    name: 'a retired node is taken apart',
    file: 'machines/decide/leave.ts',
    find: "if (here.retired) return isRetired(here, move.from);\n\n  if (seen.membership.is === 'unlooked')",
    replace: "if (seen.membership.is === 'unlooked')",
    foundBy: [EVIDENCE],
    hint: 119,
  },
  {
    name: 'evidence for a stop is only what Nova says',
    file: 'machines/decide/leave.ts',
    find: 'const evidence = [...bothNodes(move), watchInstances, MEMBERSHIP];',
    replace: 'const evidence = [watchInstances];',
    foundBy: [EVIDENCE],
  },
  {
    name: 'what Nova said a while ago is evidence for a stop',
    file: 'machines/decide/leave.ts',
    find: 'const evidence = [...bothNodes(move), watchInstances, MEMBERSHIP];',
    replace: 'const evidence = [...bothNodes(move), MEMBERSHIP];',
    foundBy: [EVIDENCE],
  },
  {
    name: 'the mark is taken off without a look whose it is',
    file: 'machines/decide/arrive.ts',
    find: "{ name: 'letGo', at: move.to, evidence: [...bothNodes(move), instancesAt(move.to)] }",
    replace: "{ name: 'letGo', at: move.to, evidence: [] }",
    foundBy: [FOREIGN],
    hint: 2_408,
  },
  {
    name: 'an unfinished copy is good enough to unenroll the original',
    file: 'machines/decide/copy.ts',
    find: 'if (equal.value !== true) {',
    replace: 'if (equal === undefined) {',
    foundBy: [DEFINITIONS],
    hint: 41,
  },
  {
    name: 'what was read of the original is spoilt before it is copied, and compared as such',
    file: 'src/actors/actions/copy.ts',
    find: "const takeBack = shows('perhaps');",
    replace: "delete node.driver_info['ipmi_password'];\n  const takeBack = shows('perhaps');",
    foundBy: [DEFINITIONS],
  },
  {
    name: 'a node is unenrolled on what was seen before',
    file: 'machines/decide/copy.ts',
    find: 'evidence: [...bothNodes(move), instancesAt(move.from), DEFINITIONS, MEMBERSHIP],',
    replace: 'evidence: [],',
    foundBy: [EVIDENCE, DEFINITIONS],
  },
  {
    name: 'a mark that cannot be read is no mark',
    file: 'machines/decide/refusals.ts',
    find: "if (node.marker === 'invalid') return foreign('claim', node, at, 'its extra.ephyra cannot be read');",
    replace: "if (node.marker === 'invalid') return null;",
    foundBy: [FOREIGN],
    hint: 3_288,
  },
  {
    name: 'the mark of another deployment does not matter',
    file: 'machines/decide/refusals.ts',
    find: `if (!ours(node, move)) return foreign('claim', node, at, \`it belongs to deployment \${node.marker.deployment}\`);`,
    replace: '',
    foundBy: [FOREIGN],
    hint: 218,
  },
  {
    name: 'a newer epoch does not matter',
    file: 'machines/decide/refusals.ts',
    find: 'if (node.marker.epoch > move.epoch) {',
    replace: 'if (node.marker.epoch > Number.MAX_SAFE_INTEGER) {',
    foundBy: [FOREIGN],
    hint: 274,
  },
  {
    name: 'whatever runs on a claimed node is the node’s own',
    file: 'machines/decide/refusals.ts',
    find: 'if (isOwn(instance, node, at, move)) return null;',
    replace: 'if (isOwn(instance, node, at, move) || node.marker !== null) return null;',
    foundBy: [FOREIGN],
  },
  {
    name: 'a node is claimed with whatever runs there when its turn comes',
    file: 'machines/decide/leave.ts',
    find: 'if (instance.id === move.instanceId) return null;',
    replace: 'return null;',
    foundBy: [FOREIGN],
    hint: 112,
  },
  {
    name: 'what was booted in the target has arrived, running or not',
    file: 'machines/decide/arrive.ts',
    find: 'if (move.to === move.source || (running && isOurs)) {',
    replace: 'if (move.to === move.source || isOurs) {',
    foundBy: [ROLES],
    hint: 16_807,
    among: 'collisions',
  },
  // --- actors
  {
    name: 'evidence may be ten minutes old',
    file: 'src/actors/ensure.ts',
    find: 'session.look(action.evidence, move, asked - deps.evidenceMs, questions),',
    replace: 'session.look(action.evidence, move, asked - 600_000, questions),',
    foundBy: [EVIDENCE, FOREIGN],
  },
  {
    name: 'what the fresh look says is not looked at',
    file: 'src/actors/ensure.ts',
    find: "return decision.kind === 'act' && sameAction(decision.action, action) ? decision.action : null;",
    replace: 'void decision;\n      return action;',
    foundBy: [EVIDENCE, FOREIGN, REPEATED, HARM],
    hint: 73,
  },
  {
    name: 'evidence may be gathered for ten minutes',
    file: 'src/actors/ensure.ts',
    find: 'const notAfter = asked + SLOW_EVIDENCE_MS;',
    replace: 'const notAfter = asked + 600_000;',
    foundBy: [EVIDENCE],
  },
  {
    name: 'what destroys may be held up for as long as what does not',
    file: 'src/actors/ensure.ts',
    find: 'const lasts = DESTRUCTIVE.has(action.name) ? notAfter : asked + PREPARATION_MS;',
    replace: 'const lasts = asked + PREPARATION_MS;',
    foundBy: [EVIDENCE],
    hint: 31_701,
    among: 'collisions',
  },
  {
    name: 'a definition is read once and for all',
    file: 'src/actors/definitions.ts',
    find: 'if (known !== undefined && known.at >= notBefore) return known.definition;',
    replace: 'if (known !== undefined) return known.definition;',
    foundBy: [DEFINITIONS],
    hint: 53_804,
    among: 'collisions',
  },
  {
    name: 'what was held up is sent whatever has become known',
    file: 'src/actors/ensure.ts',
    find: 'deps.isWritable(move) && stillCalledFor(action) !== null;',
    replace: 'deps.isWritable(move);',
    foundBy: [EVIDENCE, FOREIGN],
    among: 'collisions',
  },
  {
    name: 'what was seen before an own change is still believed',
    file: 'src/actors/session.ts',
    find: 'return Math.max(this.#changed.get(at)?.[of] ?? 0, this.#doubted);',
    replace: 'return 0;',
    foundBy: [EVIDENCE, REPEATED, POWER, DEFINITIONS],
    hint: 99,
  },
  {
    name: 'a list that is behind has things done twice',
    file: 'src/actors/ensure.ts',
    find: 'if (session.didLately(action)) {',
    replace: 'if (session.didLately(action) && move.uuid === action.at) {',
    foundBy: [REPEATED],
    hint: 503,
  },
  {
    name: 'a cloud that does not answer has no nodes',
    file: 'src/actors/survey.ts',
    find: 'answer: { ok: false, why: error instanceof Error ? error.message : String(error) },',
    replace: "answer: { ok: true, value: question.of === 'instances' ? indexInstances([]) : new Map() },",
    foundBy: [POWER, EVIDENCE, FOREIGN, DEFINITIONS, REPEATED, ROLES],
    hint: 67,
  },
  {
    name: 'two definitions are always equal',
    file: 'src/actors/definitions.ts',
    find: 'return compareDefinitions(whole, copy);',
    replace: 'return compareDefinitions(whole, copy).slice(0, 0);',
    foundBy: [DEFINITIONS],
    hint: 41,
  },
  {
    name: 'unenrolling is believed to have happened',
    file: 'src/actors/actions/node.ts',
    find: 'await cloudAt(deps, action.at).ironic.deleteNode(move.uuid, { due });',
    replace: 'void cloudAt(deps, action.at).ironic.deleteNode;\n  void due;\n  void move;',
    foundBy: [POWER],
  },
  {
    name: 'an instance is deleted twice in a row',
    file: 'src/actors/actions/instance.ts',
    find: '() => nova.deleteServer(instanceOf(action), { due }),',
    replace:
      '() => nova.deleteServer(instanceOf(action), { due }).then(() => nova.deleteServer(instanceOf(action), { due })),',
    foundBy: [REPEATED],
  },
  {
    name: 'what is booted is told to everybody',
    file: 'src/actors/actions/instance.ts',
    find: '() => nova.createServer(body, { due }),',
    replace: '() => (deps.waiting(move.uuid, JSON.stringify(body)), nova.createServer(body, { due })),',
    foundBy: [SECRETS],
  },
  {
    name: 'a scrape of the metrics shows a secret',
    file: 'src/observability/metrics.ts',
    find: 'return registry.metrics();',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source.
    replace: 'return `${await registry.metrics()}# bmc-secret-01`;',
    foundBy: [SECRETS],
  },
  {
    name: 'what one list does not show is gone',
    file: 'src/actors/actions/node.ts',
    find: "if (action.at === move.to && to.node?.provisionState === 'enroll') await proveGone(doing, deps);",
    replace: '',
    foundBy: [POWER],
    hint: 17_379,
  },
  // --- claims
  {
    name: 'the claim is never let go',
    file: 'src/actors/actions/marker.ts',
    find: "await cloudAt(deps, action.at).ironic.patchNode(move.uuid, [{ op: 'remove', path }], { due })",
    replace:
      "await cloudAt(deps, action.at).ironic.patchNode(move.uuid, [{ op: 'add', path: path.concat('_was'), value: 1 }], { due })",
    foundBy: [ROLES, FOREIGN],
  },
  {
    name: 'nodes are moved without being claimed',
    file: 'machines/decide/leave.ts',
    find: 'if (here.marker === null) return claim(move, from, here, instance, memory);',
    replace:
      'if (here.marker === null && instance !== undefined) return leaveInstance(seen, move, here, instance, memory);',
    foundBy: [FOREIGN],
  },
  // --- the application
  {
    name: 'only own nodes count against the ceiling',
    file: 'src/actors/gate.ts',
    find: 'const others = strangers(absent, [...out, ...resting, next]);',
    replace: 'const others = strangers([], [...out, ...resting, next]);',
    foundBy: [CEILING],
  },
  {
    name: 'nobody remembers who has been let go',
    file: 'src/actors/gate.ts',
    find: 'deps.away.letGo(next);',
    replace: '',
    foundBy: [CEILING],
    hint: 2_640,
  },
  {
    name: 'who is at rest is back, stuck or not',
    file: 'src/actors/away.ts',
    find: "this.#put(node, node.place === 'stuck' ? 'stuck' : 'at rest');",
    replace: 'this.#nodes.delete(node.uuid);',
    foundBy: [CEILING],
    hint: 104,
  },
  {
    name: 'the limit of a role is forgotten',
    file: 'src/actors/gate.ts',
    find: 'full(deps.roleLimits[next.role] ?? null,',
    replace: 'full(null,',
    foundBy: [CEILING],
    hint: 1_563,
  },
  {
    name: 'the limit of a failure domain counts own nodes only',
    file: 'src/actors/gate.ts',
    find: ' deps.failureDomainLimit,',
    replace: ' null,',
    foundBy: [CEILING],
    hint: 42,
  },
  {
    name: 'who is in an unknown failure domain is in none',
    file: 'machines/migration/items.ts',
    find: 'one === null || other === null || one === other;',
    replace: 'one === other;',
    foundBy: [CEILING],
    hint: 78,
  },
  {
    name: 'each node is taken for a failure domain of its own',
    file: 'src/deployments/plan.ts',
    find: 'failureDomain: failureDomainOf(node.extra, failureDomain.extra),',
    replace: 'failureDomain: node.uuid,',
    foundBy: [CEILING],
  },
  {
    name: 'an application that does not know is told to have let go',
    file: 'src/wiring.ts',
    find: "return { unknown: answer.reasons.join('; ') || 'it does not know' };",
    replace: "return 'out';",
    foundBy: [EVIDENCE, HARM],
    hint: 41,
  },
  // --- the migration and the door
  {
    name: 'whatever ends has completed',
    file: 'machines/migration/machine.ts',
    find: "if (home === 0) return { state: 'completed', note };",
    replace: "if (home >= 0) return { state: 'completed', note };",
    foundBy: [ROLES],
  },
  {
    name: 'an abort has always brought everything back',
    file: 'machines/migration/items.ts',
    find: "fleet.arrived.filter((uuid) => fleet.items[uuid]?.place === 'moved').reverse();",
    replace: "fleet.arrived.filter((uuid) => fleet.items[uuid]?.place === 'stuck').reverse();",
    foundBy: [ROLES, SETTLED, ENDS],
  },
  {
    name: 'marked nodes are not known again after a restart',
    file: 'src/deployments/resume.ts',
    find: 'node !== null && isMarkOf(node.marker, deployment);',
    replace: "node !== null && node.marker === 'invalid' && deployment === '';",
    foundBy: [ROLES, CEILING, FOREIGN, SETTLED, ENDS],
    hint: 406,
  },
  {
    name: 'a boot that does not run has arrived, once its mark is gone',
    file: 'src/deployments/resume.ts',
    find: "({ status }) => abort || status === 'ACTIVE' || result?.place === 'moved'",
    replace: '() => true',
    foundBy: [ROLES],
    hint: 16_807,
    among: 'collisions',
  },
  {
    name: 'who has come to a deployment since it was found is not asked about',
    file: 'src/deployments/crew.ts',
    find: 'sighted.newcomers.length > 0 || ',
    replace: '',
    foundBy: [CEILING, ROLES, FOREIGN, SETTLED],
    hint: 34_287,
  },
  {
    name: 'locks keep nobody from starting',
    file: 'src/deployments/rules.ts',
    find: 'if (lock === undefined) return;',
    replace: 'if (lock !== null) return;',
    foundBy: [EXCLUSIVE],
    hint: 327,
  },
  {
    name: 'a lock has expired as long as it has not',
    file: 'src/deployments/locks.ts',
    find: 'locks.filter((lock) => lock.expiresAt === null || lock.expiresAt > now);',
    replace: 'locks.filter((lock) => lock.expiresAt === null || lock.expiresAt <= now);',
    foundBy: [EXCLUSIVE],
    hint: 327,
  },
  {
    name: 'a deployment starts beside another',
    file: 'src/deployments/rules.ts',
    find: 'if (busy === undefined) return;',
    replace: 'if (busy !== null) return;',
    foundBy: [EXCLUSIVE],
  },
  {
    name: 'who remembers a thread in Slack stops the deployment',
    file: 'src/deployments/service.ts',
    find: 'if (record !== undefined) record.thread = { ...thread };',
    replace: 'if (record !== undefined) record.thread = { ...thread };\n      this.#deps.crew.stop(id);',
    foundBy: [SLACK],
    hint: 53,
  },
  // --- the store
  {
    name: 'what the disk did not take is believed to be written',
    file: 'src/deployments/crew.ts',
    find: "if (!(error instanceof StoreError && error.code === 'invalid')) return false;",
    replace: 'this.#owed.delete(id);\n      return true;',
    foundBy: [ENDS, SETTLED, ROLES],
    hint: 109,
  },
  {
    name: 'results are not written',
    file: 'src/deployments/tracker.ts',
    find: 'result.place = item.place;',
    replace: '',
    foundBy: [SETTLED, ENDS, ROLES],
  },
  {
    name: 'what has ended goes on after a restart',
    file: 'src/deployments/findings.ts',
    find: "else if (!isEnded(record) && record.state !== 'awaiting_approval') goOn.push(record.id);",
    replace: "else if (record.state !== 'awaiting_approval') goOn.push(record.id);",
    foundBy: [ENDS, EXCLUSIVE, FOREIGN, ROLES, SETTLED],
    hint: 305,
  },
  {
    name: 'a restart forgets a node',
    file: 'src/deployments/resume.ts',
    find: '    Object.assign(result, { place, attempts: tries, failure: failure === null ? null : { ...failure } });',
    replace: '    draft.nodes = draft.nodes.filter((node) => node.uuid !== uuid);',
    foundBy: [SAME_NODES],
  },
  {
    name: 'a list is believed against what an own write has shown',
    file: 'src/actors/session.ts',
    find: "if (fact.is === 'unlooked' || shown === undefined || !this.#mayPrecede(fact.at, shown.at)) return fact;",
    replace: "if (fact.is === 'unlooked' || shown === undefined || at.length > 0) return fact;",
    foundBy: [ROLES, REPEATED],
    hint: 20,
    among: 'behind',
  },
  {
    name: 'what a call has shown is forgotten when the next one fails',
    file: 'src/actors/actions/index.ts',
    find: 'shows: (as, at = action.at) => session.shows(at, as, at === action.at && OF_A_COPY.has(as)),',
    replace: 'shows: () => () => undefined,',
    foundBy: [ROLES],
    hint: 35_784,
    among: 'collisions',
  },
  {
    name: 'what was told to end a moment ago is believed to run',
    file: 'src/actors/session.ts',
    find: 'if (past === undefined) return fact;',
    replace: 'if (past !== null) return fact;',
    foundBy: [ROLES],
    hint: 1_796_904_473,
  },
  {
    name: 'how old evidence is, is told by a clock that is set',
    file: 'src/wiring.ts',
    find: 'const steady = steadyClock(clock, monotonic);',
    replace: 'const steady = clock;',
    foundBy: [EVIDENCE],
    hint: 21_892,
  },
  // --- lists that are behind
  {
    name: 'what an earlier run has begun with is home when a list says so',
    file: 'src/actors/ensure.ts',
    find: 'deps.begun.has(move.uuid) && ![move.from, move.to].some((at) => session.sawUnmarked(at, BASIS_MS)),',
    replace: 'false,',
    foundBy: [ROLES],
    among: 'behind',
    hint: 599,
  },
  // --- the leases
  {
    name: 'nobody looks at the lease right before a write',
    file: 'src/deployments/leases/leases.ts',
    find: 'if (keeper === undefined || keeper.open) return null;',
    replace: 'if (keeper === undefined || keeper.open !== null) return null;',
    foundBy: [ONE_WRITER],
    hint: 21_686,
  },
  {
    name: 'a lease lasts for ever',
    file: 'src/deployments/leases/lease.ts',
    find: 'return held.record.leaseMs * USABLE - this.#age(held.proven);',
    replace: 'return held.record.leaseMs;',
    foundBy: [ONE_WRITER],
    hint: 21_686,
  },
  {
    name: 'a holder is dead as soon as it is seen',
    file: 'src/deployments/leases/lease.ts',
    find: 'return record !== null && seen !== undefined && now - seen.since >= record.leaseMs;',
    replace: 'return record !== null && seen !== undefined && now >= seen.since;',
    foundBy: [ONE_WRITER],
    hint: 20_045,
  },
  // --- the clients
  {
    name: 'writes are sent again without a look',
    file: 'src/openstack/http.ts',
    find: "const repeatable = call.repeatable === true || call.method === 'GET' || call.method === 'HEAD';",
    replace: 'const repeatable = call.method.length > 0;',
    foundBy: [EVIDENCE, REPEATED],
  },
];
