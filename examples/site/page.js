'use strict';
// The lists of both pages. Texts go in as text, never as HTML.

// What the lists say, in the language of the page: [zh-CN, zh-TW]. English is as it stands below.
const WORDS = {
  'C is locked for %s s': ['C 已锁住，还有 %s 秒', 'C 已鎖住，還有 %s 秒'],
  'C is free': ['C 没有锁', 'C 沒有鎖'],
  '%s is written': ['%s 已写入', '%s 已寫入'],
  '%s is not written yet': ['%s 尚未写入', '%s 尚未寫入'],
  '%s is missing': ['缺少 %s', '缺少 %s'],
  'nothing is written': ['什么都没写入', '什麼都沒寫入'],
  'written: %s': ['已写入：%s', '已寫入：%s'],
  'still working': ['仍在工作', '仍在工作'],
  'Nothing yet.': ['还没有。', '還沒有。'],
  'here': ['在', '在'],
  'gone for %s s': ['已离开 %s 秒', '已離開 %s 秒'],
  'it finishes': ['它会做完', '它會做完'],
  'it stops when the hold ends': ['过了不可打断的部分就停下', '過了不可打斷的部分就停下'],
  'it stops': ['它会停下', '它會停下'],
  'none': ['无', '無'],
  'reading': ['读取请求', '讀取請求'],
  'running': ['运行', '執行'],
  'shutdown functions': ['关闭触发函数', '關閉觸發函式'],
  'last output': ['最后的输出', '最後的輸出'],
  'Nothing is in flight.': ['没有进行中的请求。', '沒有進行中的請求。'],
  'The server does not answer; trying again.': ['服务器没有回应，正在重试。', '伺服器沒有回應，正在重試。'],
};
const language = ['zh-CN', 'zh-TW'].indexOf(document.documentElement.lang);
const say = (words, value) => (WORDS[words]?.[language] ?? words).replace('%s', value);

// Who chooses a language keeps it.
const chosen = new URLSearchParams(location.search).get('lang');
if (chosen) document.cookie = `lang=${encodeURIComponent(chosen)}; path=/; max-age=31536000; SameSite=Lax`;

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
  $('locked').textContent = locked ? say('C is locked for %s s', Math.ceil(seconds)) : say('C is free');
  $('locked').className = locked ? 'tag warn' : 'tag good';
}

function tables(saved) {
  const cells = element('span', undefined, 'cells');
  for (const name of 'ABCD') {
    const there = saved.written.includes(name);
    const cell = element('span', name, there ? 'cell' : saved.ending === null ? 'cell open' : 'cell missing');
    cell.title = say(there ? '%s is written' : saved.ending === null ? '%s is not written yet' : '%s is missing', name);
    cells.append(cell);
  }
  cells.setAttribute('role', 'img');
  cells.setAttribute('aria-label', saved.written === '' ? say('nothing is written') : say('written: %s', [...saved.written].join(', ')));
  return cells;
}

function ending(name) {
  if (name === null) return element('span', say('still working'), 'tag warn');
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
    { place: 'decided', content: element('code', (saved.decided ?? '').replace(/^(\S+:\d+) /, '$1\n')) },
  )), say('Nothing yet.'));
}

function client(request) {
  if (request.gone < 0) return element('span', say('here'), 'tag good');
  return element('span', say('gone for %s s', request.gone.toFixed(1)), 'tag warn');
}

function showLive(answer) {
  showLock(answer.locked);
  $('count').textContent = answer.requests.length;
  $('gone').textContent = answer.requests.filter(request => request.gone >= 0).length;
  for (const name of ['COMPLETED', 'ABORTED', 'TIME_LIMIT']) $(name).textContent = answer.endings[name];
  answer.requests.sort((one, other) => other.age - one.age);
  show($('live'), answer.requests.map(request => row(
    { place: 'request', content: element('code', `${request.method} ${request.path}`) },
    client(request),
    say(request.stage),
    say(request.ignores_abort ? 'it finishes' : request.held ? 'it stops when the hold ends' : 'it stops'),
    number(`${request.age.toFixed(1)} s`),
    number(request.time_limit ? `${request.time_limit} s` : say('none')),
    number(request.thread),
  )), say('Nothing is in flight.'));
}

async function refresh(path, use, pause) {
  try {
    const answer = await fetch(path, { cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.statusText);
    use(await answer.json());
    if ($('state')) $('state').textContent = '';
  } catch {
    if ($('state')) $('state').textContent = say('The server does not answer; trying again.');
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
