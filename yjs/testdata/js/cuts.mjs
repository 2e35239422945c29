// npm yjs cuts a long run of text and one of values into pieces, each call a transaction of its own:
// node cuts.mjs SEED STEPS -> {updates: sha256 of all updates, text, v1: sha256 of what they come to}.
// TestCuts does the same with package yjs; see there.
import * as Y from 'yjs'
import crypto from 'crypto'

const [seed, steps] = process.argv.slice(2).map(Number)
let state = seed >>> 0
const rnd = n => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor(state / 4294967296 * n) }
const sha = b => crypto.createHash('sha256').update(b).digest('hex')
const hash = crypto.createHash('sha256')
const d = new Y.Doc()
d.clientID = 1
d.on('update', u => hash.update(u))
const t = d.getText('text'), a = d.getArray('list')
t.insert(0, 'aé'.repeat(steps))
a.insert(0, Array.from({ length: 2 * steps }, (_, i) => i))
let at = 0
for (let i = 0; i < steps; i++) {
  const k = rnd(100)
  if (k < 5) at = rnd(t.length)
  else if (k < 40) { at = Math.min(at + rnd(3), t.length - 1); t.delete(at, 1) }
  else if (k < 55) t.delete(rnd(t.length), 1)
  else if (k < 60) t.insert(rnd(t.length + 1), 'xy')
  else if (k < 62) t.insert(Math.min(at, t.length), 'z')
  else if (k < 90) a.delete(rnd(a.length), 1)
  else if (k < 95) { at = Math.min(at, a.length - 1); a.delete(at, 1) }
  else if (k < 98) a.insert(rnd(a.length + 1), [k])
  else a.push([k])
}
console.log(JSON.stringify({ updates: hash.digest('hex'), text: sha(t.toString()), v1: sha(Y.encodeStateAsUpdate(d)) }))
