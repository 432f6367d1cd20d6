import { arrange, h, icon } from './dom.js';

const TONES = {
  NORMAL: 'good',
  RUNNING: 'good',
  DECOMMISSIONING: 'amber',
  DECOMMISSION_INPROGRESS: 'amber',
  ENTERING_MAINTENANCE: 'amber',
  IN_MAINTENANCE: 'busy',
  DECOMMISSIONED: 'idle',
  NEW: 'busy',
  UNHEALTHY: 'bad',
  DEAD: 'bad',
  LOST: 'bad',
  STALE: 'bad',
};

const toneOf = (state) => TONES[state.toUpperCase().replaceAll(' ', '_')] ?? 'idle';

/** The application's health: the word, the reasons, how many nodes are in which state, the masters. */
export function createHealth() {
  const word = h('span.health-word', { data: { testid: 'health' } });
  const reasons = h('p.health-reasons', { data: { testid: 'health-reasons' } });
  const bar = h('div.health-bar', { 'aria-hidden': 'true' });
  const legend = h('ul.health-legend', { data: { testid: 'health-states' } });
  const summary = h('p.health-summary', { data: { testid: 'health-summary' } });
  const element = h(
    'section.health',
    { 'aria-label': 'Hadoop' },
    h('div.health-head', {}, icon('heart'), h('h3', {}, 'Hadoop'), word),
    bar,
    legend,
    reasons,
    summary,
  );
  return {
    element,
    draw(application) {
      element.dataset.health = application.health;
      word.textContent = application.health;
      reasons.textContent = application.reasons.join(' · ');
      reasons.hidden = application.reasons.length === 0;
      summary.textContent = application.summary;
      const counts = new Map();
      for (const node of application.nodes) counts.set(node.state, (counts.get(node.state) ?? 0) + 1);
      const states = [...counts].sort(([one], [other]) => rank(one) - rank(other) || one.localeCompare(other));
      const part = (state) =>
        bar.querySelector(`[data-state="${CSS.escape(state)}"]`) ??
        h('span', { class: `part tone-${toneOf(state)}`, data: { state } });
      arrange(
        bar,
        states.map(([state, count]) => {
          const segment = part(state);
          segment.style.flexGrow = String(count);
          return segment;
        }),
      );
      legend.replaceChildren(
        ...states.map(([state, count]) => {
          const who = application.nodes
            .filter((node) => node.state === state)
            .map((node) => node.name)
            .join(', ');
          return h(
            'li',
            { class: `tone-${toneOf(state)}`, title: who },
            h('span.swatch'),
            h('strong', {}, String(count)),
            ` ${state}`,
          );
        }),
      );
    },
  };
}

const rank = (state) => ['good', 'busy', 'amber', 'idle', 'bad'].indexOf(toneOf(state));
