import { h } from './dom.js';

/** What an empty channel shows: the way through the demonstration in three steps. */
export function welcome({ fill, become }) {
  const command = '/ephyra deploy cp1→cp2';
  return h(
    'section.welcome',
    { 'aria-label': 'Welcome', data: { testid: 'welcome' } },
    h('img', { src: '/page/ephyra.svg', alt: '', width: 56, height: 56 }),
    h('h2', {}, 'Move a fleet between two control planes'),
    h(
      'p',
      {},
      'Everything here is emulated on this machine: Slack, two OpenStack control planes and a Hadoop cluster. Ephyra itself is real, and talks to all of them as it would in production.',
    ),
    h(
      'ol.steps',
      {},
      h(
        'li',
        {},
        h('strong', {}, 'Ask as Alice.'),
        ' Send the command below.',
        h(
          'button.step-command',
          { type: 'button', data: { testid: 'try-deploy' }, onclick: () => fill(command) },
          h('code', {}, command),
          h('span', {}, 'Put it in the message box'),
        ),
      ),
      h(
        'li',
        {},
        h('strong', {}, 'Approve as Bob.'),
        ' Who asks cannot approve, so ',
        h('button.text-button', { type: 'button', onclick: () => become('U0BOB') }, 'switch to Bob'),
        ' on the left and press ',
        h('em', {}, 'Approve'),
        ' on the card.',
      ),
      h(
        'li',
        {},
        h('strong', {}, 'Watch the nodes travel.'),
        ' On the right they go from one control plane to the other, a few at a time, while Hadoop stays up. Press ',
        h('em', {}, 'Abort'),
        ' and they come back.',
      ),
    ),
  );
}
