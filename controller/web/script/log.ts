/** Follows a container's log where a page has a place for it (`pre[data-follow]`). The newest lines are kept, and one stays at the end if one was there. */
export const LOG_SCRIPT = `
  const MOST_LINES = 5000;
  const log = document.querySelector('pre[data-follow]');
  let logSource;
  const follow = () => {
    logSource?.close();
    logSource = undefined;
    if (!log || !active()) return;
    const state = document.getElementById('log-state');
    let waiting = [], fresh = true, lines = 0;
    const flush = () => {
      const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      if (fresh) { log.textContent = ''; lines = 0; fresh = false; }
      log.append(...waiting.map((line) => line + '\\n'));
      lines += waiting.length;
      waiting = [];
      for (; lines > MOST_LINES && log.firstChild; lines--) log.firstChild.remove();
      if (atEnd) log.scrollTop = log.scrollHeight;
    };
    logSource = new EventSource(log.dataset.follow);
    logSource.addEventListener('open', () => { fresh = true; state.textContent = 'Following'; });
    logSource.addEventListener('line', (event) => {
      const { at, text } = JSON.parse(event.data);
      if (waiting.length === 0) setTimeout(flush, 100);
      waiting.push(at.slice(0, 19).replace('T', ' ') + '  ' + text);
    });
    logSource.addEventListener('end', (event) => {
      logSource.close();
      const { reason } = JSON.parse(event.data);
      state.textContent = 'The log ended' + (reason ? ': ' + reason : '') + '.';
    });
    logSource.addEventListener('error', () => { state.textContent = 'The log is not followed: its node or the controller does not answer.'; });
  };`;
