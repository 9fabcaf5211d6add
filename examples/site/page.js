'use strict';
// The lists of both pages. Texts go in as text, never as HTML.

const $ = id => document.getElementById(id);

function element(name, text, classes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (classes) made.className = classes;
  return made;
}

function row(...cells) {
  const made = element('tr');
  for (const cell of cells) {
    const place = element('td', undefined, cell.place);
    place.append(cell.content ?? cell);
    made.append(place);
  }
  return made;
}

const number = text => ({ place: 'number', content: text });

function show(body, rows, nothing) {
  if (rows.length === 0) {
    const cell = element('td', nothing, 'soft');
    cell.colSpan = 7;
    rows = [element('tr')];
    rows[0].append(cell);
  }
  body.replaceChildren(...rows);
}

function showLock(seconds) {
  const locked = seconds > 0;
  $('locked').textContent = locked ? `C is locked for ${Math.ceil(seconds)} s` : 'C is free';
  $('locked').className = locked ? 'tag warn' : 'tag good';
}

function tables(saved) {
  const cells = element('span', undefined, 'cells');
  for (const name of 'ABCD') {
    const there = saved.written.includes(name);
    const cell = element('span', name, there ? 'cell' : saved.ending === null ? 'cell open' : 'cell missing');
    cell.title = there ? `${name} is written` : saved.ending === null ? `${name} is not written yet` : `${name} is missing`;
    cells.append(cell);
  }
  cells.setAttribute('role', 'img');
  cells.setAttribute('aria-label', saved.written === '' ? 'nothing is written' : `written: ${[...saved.written].join(', ')}`);
  return cells;
}

function ending(name) {
  if (name === null) return element('span', 'still working', 'tag warn');
  return element('span', name, name === 'COMPLETED' ? 'tag good' : 'tag bad');
}

function showSaved(answer) {
  showLock(answer.locked);
  show($('saved'), answer.saved.map(saved => row(
    saved.begun,
    { place: 'note', content: saved.note },
    { place: 'request', content: element('code', `${saved.method} ${saved.path}`) },
    tables(saved),
    ending(saved.ending),
    number(saved.ending === null ? '…' : saved.seconds.toFixed(1)),
    element('code', saved.decided ?? ''),
  )), 'Nothing yet.');
}

function client(request) {
  if (request.gone < 0) return element('span', 'here', 'tag good');
  return element('span', `gone for ${request.gone.toFixed(1)} s`, 'tag warn');
}

function showLive(answer) {
  showLock(answer.locked);
  $('count').textContent = answer.requests.length;
  $('gone').textContent = answer.requests.filter(request => request.gone >= 0).length;
  for (const name of ['COMPLETED', 'ABORTED', 'TIME_LIMIT']) $(name).textContent = answer.endings[0][name].toFixed(0);
  answer.requests.sort((one, other) => other.age - one.age);
  show($('live'), answer.requests.map(request => row(
    { place: 'request', content: element('code', `${request.method} ${request.path}`) },
    client(request),
    request.stage,
    request.ignores_abort ? 'it finishes' : request.held ? 'it stops when the hold ends' : 'it stops',
    number(`${request.age.toFixed(1)} s`),
    number(request.time_limit ? `${request.time_limit.toFixed(0)} s` : 'none'),
    number(request.thread.toFixed(0)),
  )), 'Nothing is in flight.');
}

async function refresh(path, use, pause) {
  try {
    const answer = await fetch(path, { cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.statusText);
    use(await answer.json());
    if ($('state')) $('state').textContent = '';
  } catch {
    if ($('state')) $('state').textContent = 'The server does not answer; trying again.';
  }
  setTimeout(refresh, pause, path, use, pause);
}

async function lock(seconds) {
  await fetch('/lock', { method: 'POST', body: new URLSearchParams({ seconds }) });
}

if ($('saved')) {
  $('lock').addEventListener('submit', event => {
    event.preventDefault();
    lock($('seconds').value);
  });
  $('unlock').addEventListener('click', () => lock(0));
  $('save').addEventListener('submit', () => {
    const form = $('save');
    [form.method, form.action] = form.elements.policy.value.split(' ');
  });
  refresh('/saved.json', showSaved, 700);
} else {
  refresh('/live.json', showLive, 500);
}
