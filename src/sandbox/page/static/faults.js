import { explain, post } from './api.js';
import { h, icon } from './dom.js';
import { store } from './store.js';

const SLACK_FAULTS = [
  {
    field: 'duplicateDeliveries',
    on: true,
    off: false,
    name: 'Deliveries come twice',
    about: 'Every command, click and event reaches the app two times.',
  },
  {
    field: 'rateLimitAllSeconds',
    on: 3,
    off: null,
    name: 'Rate limits',
    about: 'Every Web API call is answered 429, retry after 3 s.',
  },
  {
    field: 'loseAnswers',
    on: true,
    off: false,
    name: 'Answers get lost',
    about: 'Writes are carried out, but the app is told 500.',
  },
  { field: 'apiDelayMs', on: 2500, off: 0, name: 'Slow', about: 'Every Web API answer takes 2.5 s.' },
  { field: 'down', on: '503', off: 'no', name: 'Down', about: 'Every Web API call is answered 503.' },
];

/** The drawer in which faults are switched on: the sandbox's named scenarios, and Slack's own bad days. */
export function createFaults(root) {
  const count = h('span.fault-count', { hidden: true });
  const button = h(
    'button.kit-button.faults-button',
    {
      type: 'button',
      'aria-expanded': 'false',
      'aria-controls': 'faults',
      data: { testid: 'faults-button' },
      onclick: () => toggle(),
    },
    icon('bolt', 15),
    'Faults',
    count,
  );
  const list = h('div.fault-list');
  const problem = h('p.field-error', { role: 'alert' });
  const drawer = h(
    'section.faults',
    { id: 'faults', 'aria-label': 'Faults', hidden: true, data: { testid: 'faults' } },
    h(
      'header.pane-head',
      {},
      h('div.head-text', {}, h('h2', {}, 'Faults'), h('p.muted', {}, 'Make things go wrong, and see what Ephyra does')),
      h(
        'button.icon-button',
        { type: 'button', 'aria-label': 'Close faults', onclick: () => toggle(false) },
        icon('close'),
      ),
    ),
    list,
    problem,
  );
  let sign = '';

  function toggle(open = drawer.hidden) {
    drawer.hidden = !open;
    button.setAttribute('aria-expanded', String(open));
    if (open) drawer.querySelector('input')?.focus();
    else button.focus();
  }
  drawer.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    toggle(false);
  });

  async function send(path, body) {
    const outcome = await post(path, body);
    problem.textContent = outcome.ok ? '' : explain(outcome.error);
  }

  return {
    button,
    drawer,
    draw() {
      const scenario = store.fleet?.scenario ?? { active: null, available: [] };
      const slack = SLACK_FAULTS.filter((one) => store.mean[one.field] === one.on);
      const now = JSON.stringify([scenario, slack.map((one) => one.field)]);
      if (now === sign) return;
      sign = now;
      const active = slack.length + (scenario.active === null ? 0 : 1);
      count.textContent = String(active);
      count.hidden = active === 0;
      root.classList.toggle('faulty', active > 0);
      const focused = document.activeElement?.id;
      list.replaceChildren(
        h('h3', {}, 'Scenarios'),
        ...choice('scenario', 'None', 'Everything works.', scenario.active === null, () =>
          send('/_sandbox/scenario', { name: null }),
        ),
        ...scenario.available.flatMap((one) =>
          choice(`scenario-${one.name}`, one.name, one.description, scenario.active === one.name, () =>
            send('/_sandbox/scenario', { name: one.name }),
          ),
        ),
        h('h3', {}, 'Slack'),
        ...SLACK_FAULTS.map((one) =>
          toggler(one, slack.includes(one), (on) => send('/_slack/mean', { [one.field]: on ? one.on : one.off })),
        ),
      );
      if (focused && drawer.contains(document.getElementById(focused))) document.getElementById(focused).focus();
    },
  };
}

function choice(id, name, about, active, choose) {
  return [
    h(
      'label.fault',
      { class: active && id !== 'scenario' ? 'active' : '' },
      h('input', {
        type: 'radio',
        name: 'scenario',
        id: `fault-${id}`,
        checked: active,
        data: { testid: id },
        onchange: choose,
      }),
      h('span', {}, h('strong', {}, name), h('span.muted', {}, about)),
    ),
  ];
}

function toggler(fault, active, change) {
  return h(
    'label.fault',
    { class: active ? 'active' : '' },
    h('input', {
      type: 'checkbox',
      role: 'switch',
      id: `fault-${fault.field}`,
      checked: active,
      data: { testid: `slack-${fault.field}` },
      onchange: (event) => change(event.target.checked),
    }),
    h('span', {}, h('strong', {}, fault.name), h('span.muted', {}, fault.about)),
  );
}
