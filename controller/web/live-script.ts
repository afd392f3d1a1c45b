/**
 * Renews what a page shows while somebody looks at it: server-sent events say when, the page itself is fetched again and laid
 * over the old one, so that focus, selection and what was unfolded stay. Text in a module, so that it is there however Tagboat is installed.
 */
import { createHash } from 'node:crypto';
import { LOG_SCRIPT } from './script/log.ts';
import { MORPH_SCRIPT } from './script/morph.ts';

export const LIVE_SCRIPT = `'use strict';
(() => {
${MORPH_SCRIPT}
  const SLOWLY = 60000, WITHOUT_EVENTS = 5000;
  const { events, kind, name } = document.body.dataset;
  const status = document.getElementById('live');
  const announcer = document.getElementById('announce');
  const button = document.createElement('button');
  button.type = 'button';
  status.before(button);
  let paused = sessionStorage.getItem('tagboat-paused') === 'yes';
  let source, timer, due = 0, renewing = false, lastPoll = '', cost = 0;
  const show = () => {
    button.textContent = paused ? 'Resume updates' : 'Pause updates';
    button.className = paused ? 'paused' : 'live';
  };
  const active = () => !paused && !document.hidden;
${LOG_SCRIPT}

  // When to look: events make it soon, their absence now and then. A page that is costly to make is asked for less often.
  const soon = (wait) => {
    if (!active()) return;
    const at = performance.now() + wait;
    if (timer !== undefined && due <= at) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(renew, wait);
  };
  const renew = async () => {
    timer = undefined;
    if (renewing || !active()) return;
    renewing = true;
    const start = performance.now();
    let failed = false;
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' }, signal: AbortSignal.timeout(10000) });
      if (answer.status === 401 || answer.redirected) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const main = fresh.getElementById('main');
      const chosen = document.getSelection();
      const selecting = !chosen.isCollapsed && document.getElementById('main').contains(chosen.anchorNode);
      if (main && !selecting) morph(document.getElementById('main'), main);
      status.textContent = '';
    } catch {
      failed = true;
      status.textContent = 'Not up to date: the controller does not answer.';
    }
    renewing = false;
    cost = performance.now() - start;
    soon(failed ? 5000 : source?.readyState === EventSource.OPEN ? SLOWLY : WITHOUT_EVENTS);
  };
  const changed = () => soon(Math.max(200, 5 * cost));

  // What is said aloud: changes, not repetitions, and not too many at once.
  const known = new Map();
  let sayings = [];
  const say = ({ name, status, sync, health, gone }) => {
    const words = gone ? 'removed' : [status, sync, health].join(', ');
    const before = known.get(name);
    known.set(name, words);
    if (before === words) return;
    if (sayings.length === 0) setTimeout(() => {
      announcer.textContent = sayings.slice(0, 3).join('; ') + (sayings.length > 3 ? '; and ' + (sayings.length - 3) + ' more' : '');
      sayings = [];
    }, 2000);
    sayings = sayings.filter((one) => !one.startsWith(name + ': ')).concat(name + ': ' + words);
  };

  const listen = () => {
    source?.close();
    source = undefined;
    if (!events || !active()) return;
    source = new EventSource(events);
    source.addEventListener('open', () => { document.body.dataset.listening = 'yes'; changed(); });
    source.addEventListener('error', () => { delete document.body.dataset.listening; soon(WITHOUT_EVENTS); });
    const on = (type, relevant) => source.addEventListener(type, (event) => {
      const data = JSON.parse(event.data);
      if (type === 'deployment' && (kind !== 'deployment' || data.name === name)) say(data);
      if (relevant(data)) changed();
    });
    on('deployment', (data) => kind !== 'deployment' || data.name === name);
    on('attempt', (data) => kind !== 'deployment' || data.deployment === name);
    on('node', () => true);
    on('product', () => true);
    on('review', () => kind !== 'deployment');
    on('refresh', () => true);
    on('poll', (data) => {
      for (const one of document.querySelectorAll('time[data-polled]')) if (data.polledAt) one.dateTime = data.polledAt;
      tick();
      const now = JSON.stringify([data.commit, data.syncedAt, data.pollFailures, data.problems]);
      const news = lastPoll !== '' && lastPoll !== now;
      lastPoll = now;
      return news;
    });
  };
  const start = () => {
    clearTimeout(timer);
    timer = undefined;
    listen();
    follow();
    soon(events ? WITHOUT_EVENTS : 2000);
  };
  button.addEventListener('click', () => {
    paused = !paused;
    sessionStorage.setItem('tagboat-paused', paused ? 'yes' : 'no');
    show();
    start();
    if (!paused) soon(0);
  });
  // A page that nobody sees holds no line: browsers allow six to one host.
  document.addEventListener('visibilitychange', () => { start(); soon(0); });

  const tick = () => {
    for (const one of document.querySelectorAll('time[datetime]')) {
      const said = ago(new Date(one.dateTime), Date.now());
      if (said !== null && one.textContent !== said && !one.dataset.fixed) one.textContent = said;
    }
  };
  const ago = (at, now) => {
    const seconds = Math.round((now - at) / 1000), distance = Math.abs(seconds);
    const words = (count, unit) => (seconds < 0 ? 'in ' : '') + count + ' ' + unit + (count === 1 ? '' : 's') + (seconds < 0 ? '' : ' ago');
    if (distance < 5) return 'just now';
    if (distance < 60) return words(distance, 'second');
    if (distance < 3600) return words(Math.floor(distance / 60), 'minute');
    if (distance < 86400) return words(Math.floor(distance / 3600), 'hour');
    return distance < 30 * 86400 ? words(Math.floor(distance / 86400), 'day') : null;
  };
  setInterval(() => { if (active()) tick(); }, 5000);
  show();
  start();
})();
`;

export const SCRIPT_URL = `/assets/live.js?v=${createHash('sha256').update(LIVE_SCRIPT).digest('hex').slice(0, 12)}`;
