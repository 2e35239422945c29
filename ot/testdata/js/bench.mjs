// Measures the npm packages: prints one JSON object, row name to nanoseconds of CPU
// time per operation. MS in the environment is the time for each row.
import { createRequire } from 'module'
const require = createRequire(import.meta.url)
const ms = +(process.env.MS ?? 500)
const text = require('ot-text-unicode').type
const Delta = require('quill-delta')
const json0 = require('ot-json0').type
const json1 = require('ot-json1').type
const Backend = require('sharedb')
Backend.types.register(text)

let state = 12345
const int = n => {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
  return Math.floor((state / 0x80000000) * n)
}
const out = {}
// CPU time in milliseconds: on a machine that is shared, the clock on the wall tells
// what the others do.
const cpu = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
// The best of several parts of the time.
const measure = (name, f) => {
  let n = 0
  for (; n < 2000 && n * 20 < ms * 1000; n++) f(n)
  let best = Infinity
  for (let part = 0; part < 8; part++) {
    const from = n
    const start = cpu()
    let now = start
    while (now - start < ms / 8) {
      for (let i = 0; i < 10; i++) f(n++)
      now = cpu()
    }
    best = Math.min(best, ((now - start) * 1e6) / (n - from))
  }
  out[name] = best
}

const big = 'abcdefghi '.repeat(10000)
const pool = Array.from({ length: 1000 }, (_, i) => (i % 2 ? [1 + int(99000), 'x'] : [1 + int(99000), { d: 1 }]))
measure('text transform', i => text.transform(pool[i % 1000], pool[(i * 7 + 1) % 1000], 'left'))
measure('text compose', i => text.compose(pool[i % 1000], pool[(i * 7 + 1) % 1000]))
{
  let doc = big
  measure('text apply', i => { doc = text.apply(doc, pool[i % 1000]) })
}
measure('text backlog', i => {
  let op = [1 + (i % 99000), 'y']
  for (let k = 0; k < 1000; k++) op = text.transform(op, pool[k], 'left')
})

const spans = new Delta()
for (let i = 0; i < 1000; i++) spans.insert('abcdefghij'.repeat(10), i % 2 ? { bold: true } : { color: 'c' + (i % 7) })
const richPool = Array.from({ length: 1000 }, (_, i) => {
  const d = new Delta().retain(1 + int(99000))
  return i % 3 === 0 ? d.insert('x') : i % 3 === 1 ? d.delete(1) : d.retain(2, { italic: true })
})
measure('rich transform', i => richPool[i % 1000].transform(richPool[(i * 7 + 1) % 1000], true))
measure('rich backlog', i => {
  let op = new Delta().retain(1 + (i % 99000)).insert('y')
  for (let k = 0; k < 1000; k++) op = richPool[k].transform(op, true)
})
measure('rich compose', i => richPool[i % 1000].compose(richPool[(i * 7 + 1) % 1000]))
measure('rich position', i => richPool[i % 1000].transformPosition(int(99000)))
{
  let doc = spans
  measure('rich onto document', i => {
    if (i % 1000 === 0) doc = spans
    doc = doc.compose(richPool[i % 1000])
  })
}

const list = n => Array.from({ length: n }, (_, i) => ({ id: i }))
measure('json0 transform', i => json0.transform([{ p: ['l', i % 900], li: 1 }], [{ p: ['l', (i * 7) % 900], ld: 2 }], 'left'))
for (const [name, n] of [['json0 apply', 1000], ['json0 apply big', 100000]]) {
  let doc = { l: list(n) }
  const at = i => Math.floor(((i % 900) * n) / 1000)
  measure(name, i => { doc = json0.apply(doc, i % 2 ? [{ p: ['l', at(i)], ld: 1 }] : [{ p: ['l', at(i)], li: { id: 1 } }]) })
}
const replace = ['a', 'b', { r: true, i: 5 }], insert = ['a', 'c', { i: 6 }]
const move1 = [['a', { p: 0 }], ['x', { d: 0 }]], move2 = [['b', { p: 0 }], ['y', { d: 0 }]]
const edit1 = ['t', { es: [5, 'abc'] }], edit2 = ['t', { es: [2, 'xy'] }]
measure('json1 transform', () => json1.transform(replace, insert, 'left'))
measure('json1 moves', () => json1.transform(move1, move2, 'left'))
measure('json1 text', () => json1.transform(edit1, edit2, 'left'))
measure('json1 compose', () => json1.compose(replace, insert))
for (const [name, n] of [['json1 apply', 1000], ['json1 apply big', 100000]]) {
  let doc = { l: list(n) }
  const at = i => Math.floor(((i % 900) * n) / 1000)
  measure(name, i => { doc = json1.apply(doc, i % 2 ? ['l', at(i), { r: true }] : ['l', at(i), { i: { id: 1 } }]) })
}

// ShareDB: clients on one document, each awaiting its submission.
const share = async (name, clients, backlog) => {
  const backend = new Backend()
  const docs = []
  for (let i = 0; i < clients; i++) {
    const doc = backend.connect().get('c', 'd')
    if (i === 0) await new Promise((ok, no) => doc.create(big, text.uri, e => (e ? no(e) : ok())))
    await new Promise((ok, no) => doc.subscribe(e => (e ? no(e) : ok())))
    docs.push(doc)
  }
  let n = 0
  const submit = doc => new Promise((ok, no) => {
    const at = 1 + int(90000)
    doc.submitOp(n++ % 2 ? [at, 'x'] : [at, { d: 1 }], e => (e ? no(e) : ok()))
  })
  for (let i = 0; i < 50; i++) await submit(docs[0])
  n = 0
  const parts = []
  let start = cpu()
  const loop = async doc => {
    while (parts.length < 8) {
      await submit(doc)
      const now = cpu()
      if (now - start > ms / 2) {
        parts.push(((now - start) * 1e6) / n)
        start = now
        n = 0
      }
    }
  }
  await Promise.all(docs.map(loop))
  out[name] = Math.min(...parts)
  if (!backlog) return
  // One submission for a version that is 1,000 behind, by a bare agent request.
  while (docs[0].version < 1100) await submit(docs[0])
  const agent = docs[0].connection.agent
  let best = Infinity
  for (let i = 0; i < 20; i++) {
    const op = { src: 'late', seq: i + 1, v: docs[0].version - 1000, op: [1 + int(90000), 'y'] }
    const begin = cpu()
    await new Promise((ok, no) => backend.submit(agent, 'c', 'd', op, null, e => (e ? no(e) : ok())))
    best = Math.min(best, cpu() - begin)
  }
  out['sharedb backlog'] = best * 1e6
}
await share('sharedb 1', 1, true)
await share('sharedb 10', 10, false)
console.log(JSON.stringify(out))
