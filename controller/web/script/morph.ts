/** Lays a fresh piece of a page over the one that is shown, node by node: what is equal stays the very same node. */
export const MORPH_SCRIPT = `
  const morph = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) { old.nodeValue = fresh.nodeValue; return; }
    // What a script fills by itself (a log) and what a person unfolded is theirs.
    if (old.hasAttribute('data-keep')) return;
    const theirs = (attribute) => attribute === 'open' && old.nodeName === 'DETAILS';
    for (const { name, value } of [...fresh.attributes]) if (!theirs(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const { name } of [...old.attributes]) if (!theirs(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
    const named = new Map([...old.children].filter((one) => one.id !== '').map((one) => [one.id, one]));
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const same = next.id ? named.get(next.id) : undefined;
      if (same && same.nodeName === next.nodeName) {
        if (same === at) at = at.nextSibling;
        else old.insertBefore(same, at);
        named.delete(next.id);
        morph(same, next);
      } else if (at && !next.id && !at.id && at.nodeName === next.nodeName) {
        const here = at;
        at = at.nextSibling;
        morph(here, next);
      } else {
        old.insertBefore(document.importNode(next, true), at);
      }
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  };`;
