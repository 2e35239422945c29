// What the pages can do with scripts: search, copy code, open the list of pages, tell where the reader is.

const root = document.body.dataset.root;

// Pages, on narrow screens.

const menu = document.querySelector('#menu');
const pages = document.querySelector('#pages');
menu.addEventListener('click', () => {
  const open = pages.classList.toggle('open');
  menu.setAttribute('aria-expanded', String(open));
  if (open) {
    pages.scrollIntoView({ block: 'start' });
    window.scrollTo({ top: 0 });
  }
});
pages.addEventListener('keydown', (e) => {
  if (e.key !== 'Escape' || !pages.classList.contains('open')) return;
  pages.classList.remove('open');
  menu.setAttribute('aria-expanded', 'false');
  menu.focus();
});
// The page that is shown is in sight in the list, which scrolls by itself.
const current = pages.querySelector('[aria-current]');
if (current && current.offsetTop > pages.clientHeight) pages.scrollTop = current.offsetTop - pages.clientHeight / 2;

// Code.

for (const block of document.querySelectorAll('.code')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'button small copy';
  button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    const done = await navigator.clipboard.writeText(block.querySelector('code').textContent).then(() => true, () => false);
    button.textContent = done ? 'Copied' : 'Not allowed';
    button.classList.add('done');
    setTimeout(() => {
      button.textContent = 'Copy';
      button.classList.remove('done');
    }, 2000);
  });
  block.append(button);
}

// Where the reader is.

const entries = new Map([...document.querySelectorAll('.toc a')].map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
const headings = [...document.querySelectorAll('article :is(h2, h3)[id]')].filter((h) => entries.has(h.id));
if (headings.length > 0) {
  const mark = () => {
    const passed = headings.filter((h) => h.getBoundingClientRect().top < 120);
    const here = passed.at(-1) ?? headings[0];
    for (const [id, a] of entries) {
      if (id === here.id) a.setAttribute('aria-current', 'location');
      else a.removeAttribute('aria-current');
    }
  };
  let asked = false;
  document.addEventListener('scroll', () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      mark();
    });
  }, { passive: true });
  mark();
}

// Search.

const input = document.querySelector('#search');
const list = document.querySelector('#found');
const said = document.querySelector('#said');
let index = null;
let chosen = -1;

/** What is looked through is asked for when somebody begins to search. */
function load() {
  index ??= fetch(`${root}search.json`).then((r) => {
    if (!r.ok) throw new Error(`${r.status}`);
    return r.json();
  }).catch(() => {
    index = null;
    return [];
  });
  return index;
}

/** How well an entry fits what was typed; 0 if not at all. */
function fit(entry, words) {
  const page = entry.page.toLowerCase();
  const heading = (entry.heading ?? '').toLowerCase();
  let points = 0;
  for (const word of words) {
    const inHeading = heading.indexOf(word);
    const inPage = page.indexOf(word);
    if (inHeading < 0 && inPage < 0) return 0;
    points += inHeading === 0 ? 5 : inHeading > 0 ? 3 : 0;
    points += inPage === 0 ? 4 : inPage > 0 ? 2 : 0;
  }
  return entry.heading === undefined ? points + 3 : points;
}

function choose(n) {
  chosen = n;
  [...list.children].forEach((li, i) => {
    li.setAttribute('aria-selected', String(i === n));
    if (i === n) li.scrollIntoView({ block: 'nearest' });
  });
  if (n >= 0) input.setAttribute('aria-activedescendant', `found-${n}`);
  else input.removeAttribute('aria-activedescendant');
}

function close() {
  list.hidden = true;
  input.setAttribute('aria-expanded', 'false');
  choose(-1);
}

async function search() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    said.textContent = '';
    return close();
  }
  const typed = input.value;
  const all = await load();
  if (input.value !== typed) return;
  const best = all.map((entry) => ({ entry, points: fit(entry, words) })).filter((x) => x.points > 0)
    .sort((a, b) => b.points - a.points).slice(0, 12);
  list.replaceChildren(...best.map(({ entry }, i) => {
    const li = document.createElement('li');
    li.id = `found-${i}`;
    li.setAttribute('role', 'option');
    li.textContent = entry.heading ?? entry.page;
    if (entry.heading !== undefined) {
      const where = document.createElement('span');
      where.textContent = entry.page;
      li.append(where);
    }
    li.addEventListener('pointerdown', (e) => e.preventDefault()); // the input keeps the focus
    li.addEventListener('click', () => location.assign(entry.url));
    li.dataset.url = entry.url;
    return li;
  }));
  said.textContent = best.length === 0 ? 'Nothing found' : `${best.length} found`;
  list.hidden = best.length === 0;
  input.setAttribute('aria-expanded', String(best.length > 0));
  choose(best.length > 0 ? 0 : -1);
}

input.addEventListener('focus', load);
input.addEventListener('input', search);
input.addEventListener('blur', close);
input.addEventListener('keydown', (e) => {
  const n = list.children.length;
  if (e.key === 'Escape') {
    input.value = '';
    close();
  } else if (list.hidden || n === 0) {
    return;
  } else if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
    choose((chosen + (e.key === 'ArrowDown' ? 1 : n - 1)) % n);
  } else if (e.key === 'Enter' && chosen >= 0) {
    location.assign(list.children[chosen].dataset.url);
  } else {
    return;
  }
  e.preventDefault();
});
document.addEventListener('keydown', (e) => {
  if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.('input, textarea, select, [contenteditable]')) return;
  e.preventDefault();
  input.focus();
});
