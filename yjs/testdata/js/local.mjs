// Two clients of npm yjs edit a long text and a long array, each call a transaction of its own:
// node local.mjs SEED STEPS -> {updates: sha256 of all local updates, text, v1: sha256 of what they come to}.
// TestLongEditing does the same with package yjs; see there.
import * as Y from 'yjs'
import crypto from 'crypto'

const [seed, steps] = process.argv.slice(2).map(Number)
let state = seed >>> 0
const rnd = n => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor(state / 4294967296 * n) }
const sha = b => crypto.createHash('sha256').update(b).digest('hex')
const hash = crypto.createHash('sha256')
const out = [[], []]
const docs = out.map((list, c) => {
  const d = new Y.Doc()
  d.clientID = c + 1
  d.on('update', (u, o, _d, tr) => { if (tr.local) { list.push(u); hash.update(u) } })
  return d
})
const cursor = [0, 0]
const words = ['a', 'bc', 'd', ' the ', 'é', '中文', 'xyz']
const typed = (t, c, at) => { const w = words[rnd(words.length)]; t.insert(at, w); cursor[c] = at + w.length }
const erase = (t, at, n) => { if (n > 0 && at >= 0 && at + n <= t.length) t.delete(at, n) }

function edit (c) {
  const t = docs[c].getText('text'), a = docs[c].getArray('list')
  cursor[c] = Math.min(cursor[c], t.length)
  const k = rnd(100)
  if (k < 45) typed(t, c, cursor[c])
  else if (k < 60) typed(t, c, rnd(t.length + 1))
  else if (k < 66) { const at = rnd(t.length + 1); erase(t, at, 1 + rnd(8)) }
  else if (k < 80) { if (cursor[c] > 0) { erase(t, cursor[c] - 1, 1); cursor[c]-- } }
  else if (k < 88) cursor[c] = rnd(t.length + 1)
  else if (k < 94) a.insert(rnd(a.length + 1), [k, 'x'])
  else if (k < 97) a.push([k])
  else if (a.length > 2) { const at = rnd(a.length - 2); a.delete(at, 1 + rnd(2)) }
}
const sent = [0, 0]
const deliver = c => { for (; sent[c] < out[c].length; sent[c]++) Y.applyUpdate(docs[1 - c], out[c][sent[c]]) }
for (let i = 0; i < steps; i++) {
  const k = rnd(400)
  if (k < 2) deliver(k)
  else edit(k < 300 ? 0 : 1)
}
deliver(0)
deliver(1)
console.log(JSON.stringify({ updates: hash.digest('hex'), text: sha(docs[0].getText('text').toString()), v1: sha(Y.encodeStateAsUpdate(docs[0])) }))
