/* SPDX-License-Identifier: 0BSD */
// Beats for a page that nobody looks at: browsers slow a hidden page's own timers down to one a minute, which is as
// long as one who was let in has to show up. A worker's timers go on.
let timer;
onmessage = (event) => {
  clearInterval(timer);
  timer = setInterval(() => postMessage(0), event.data);
};
