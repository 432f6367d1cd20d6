import { arrange, h, icon } from './dom.js';

// Hadoop's own words, and the shorter ones that say the same of HDFS and YARN together.
const TONES = {
  good: ['NORMAL', 'RUNNING', 'IN_SERVICE', 'ACTIVE', 'UP'],
  busy: ['NEW', 'STARTING', 'STANDBY', 'IN_MAINTENANCE'],
  amber: ['DECOMMISSIONING', 'DECOMMISSION_INPROGRESS', 'ENTERING_MAINTENANCE', 'LEAVING'],
  idle: ['DECOMMISSIONED', 'OUT', 'STOPPED'],
  bad: ['UNHEALTHY', 'DEAD', 'LOST', 'STALE', 'DOWN'],
};

function toneOf(state) {
  const word = state.toUpperCase().replaceAll(' ', '_');
  return Object.keys(TONES).find((tone) => TONES[tone].includes(word)) ?? 'idle';
}

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

const rank = (state) => Object.keys(TONES).indexOf(toneOf(state));
