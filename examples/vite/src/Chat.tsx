import { useConnection, useHistory, usePublish } from '@starling-rt/client/react'
import { type FormEvent, useState } from 'react'

interface Message { text: string }

export function Chat() {
  const { state } = useConnection()
  const { publications, more, loadMore } = useHistory<Message>('chat', { limit: 20 })
  const { publish, pending, error } = usePublish<Message>('chat')
  const [text, setText] = useState('')

  function send(e: FormEvent) {
    e.preventDefault()
    if (text.trim() === '') return
    void publish({ text }).catch(() => {}) // what is refused is told by error, below
    setText('')
  }

  return (
    <main>
      <h1>Chat</h1>
      <p role="status">
        {state.name === 'connected' ? `connected over ${state.transport}` : state.name}
        {pending > 0 && `, ${pending} on the way`}
      </p>
      {more && <button type="button" onClick={() => void loadMore()}>Earlier messages</button>}
      <ul aria-label="Messages">
        {publications.map((p) => <li key={p.id}>{p.data.text}</li>)}
      </ul>
      <form onSubmit={send}>
        <input aria-label="Message" value={text} onChange={(e) => setText(e.target.value)} />
        <button type="submit">Send</button>
      </form>
      {error && <p role="alert">{error.message}</p>}
    </main>
  )
}
