/* SPDX-License-Identifier: 0BSD */
// Makes elements. What people wrote becomes text nodes only: nothing here, nor anywhere else, reads text as markup.

// h('p', {class: 'soft', onclick: f}, 'text', child, …). A property that the element knows is set as such (value,
// disabled), any other as an attribute. Children that are null or false are left out.
export function h(tag, props, ...children) {
  const e = document.createElement(tag);
  set(e, props);
  e.append(...children.flat().filter((c) => c != null && c !== false));
  return e;
}

export function set(e, props) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (name in e && name !== 'list' && name !== 'role') e[name] = value;
    else if (name === 'class') e.className = value;
    else if (value == null || value === false) e.removeAttribute(name);
    else e.setAttribute(name, value);
  }
}

// Writes only what changed, so that a screen reader is not told the same again.
export function say(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

// A condition for what waits: rejects when the page is left.
export function left(signal) {
  return new Promise((_, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
}
