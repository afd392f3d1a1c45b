/** Renews the content of a page while somebody looks at it. Text in a module, so that it is there however Tagboat is installed. */
import { createHash } from 'node:crypto';

export const LIVE_SCRIPT = `'use strict';
(() => {
  const EVERY = 2000;
  const status = document.getElementById('live');
  const button = document.createElement('button');
  button.type = 'button';
  status.before(button);
  let paused = sessionStorage.getItem('tagboat-paused') === 'yes';
  let timer;
  const show = () => {
    button.textContent = paused ? 'Resume updates' : 'Pause updates';
    button.className = paused ? 'paused' : 'live';
  };
  button.addEventListener('click', () => {
    paused = !paused;
    sessionStorage.setItem('tagboat-paused', paused ? 'yes' : 'no');
    show();
    schedule(0);
  });
  const schedule = (wait) => {
    clearTimeout(timer);
    if (!paused && !document.hidden) timer = setTimeout(renew, wait);
  };
  document.addEventListener('visibilitychange', () => schedule(0));
  const renew = async () => {
    let wait = EVERY;
    const start = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' }, signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw new Error(String(answer.status));
      swap(new DOMParser().parseFromString(await answer.text(), 'text/html'));
      wait = Math.max(EVERY, 10 * (performance.now() - start)); // a large page must not keep the controller busy
      if (status.textContent !== '') status.textContent = '';
    } catch {
      status.textContent = 'Not up to date: the controller does not answer.';
      wait = EVERY * 3;
    }
    schedule(wait);
  };
  const swap = (fresh) => {
    const old = document.getElementById('main');
    const main = fresh.getElementById('main');
    if (!main || old.innerHTML === main.innerHTML || old.contains(document.getSelection().anchorNode) && !document.getSelection().isCollapsed) return;
    for (const one of old.querySelectorAll('details[id]')) {
      const same = main.querySelector('#' + CSS.escape(one.id));
      if (same) same.open = one.open;
    }
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const path = [];
    for (let at = focused; at && at !== old; at = at.parentElement) path.unshift([...at.parentElement.children].indexOf(at));
    old.replaceChildren(...main.childNodes);
    if (focused) path.reduce((at, index) => at && at.children[index], old)?.focus({ preventScroll: true });
  };
  show();
  schedule(EVERY);
})();
`;

export const SCRIPT_URL = `/assets/live.js?v=${createHash('sha256').update(LIVE_SCRIPT).digest('hex').slice(0, 12)}`;
