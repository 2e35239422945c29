import { createClient, type TransportName } from '@starling-rt/client'
import { StarlingProvider } from '@starling-rt/client/react'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Chat } from './Chat'
import './style.css'

// ?transport=sse tries one transport alone; without it the client finds the best that works.
const only = new URLSearchParams(location.search).get('transport')
const transports = (['websocket', 'sse', 'poll'] satisfies TransportName[]).filter((t) => only === null || t === only)

// No url: the client talks to where the page is from, and Vite passes that on.
const client = createClient({ transports })

const root = document.querySelector('#root')
if (!root) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <StarlingProvider client={client}>
      <Chat />
    </StarlingProvider>
  </StrictMode>,
)
