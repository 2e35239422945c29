import react from '@vitejs/plugin-react'
import { defineConfig, loadEnv } from 'vite'

// The page asks Vite, and Vite asks Starling: to the browser both are one origin, so the
// server needs no --allowed-origins, and cookies work as they will in production.
export default defineConfig(({ mode }) => {
  const target = loadEnv(mode, '.', 'STARLING_').STARLING_URL ?? 'http://localhost:8080'
  return {
    plugins: [react()],
    server: {
      proxy: {
        '/ws': { target, ws: true },  // WebSocket
        '/sse': { target },           // Server-Sent Events: answers are passed on as they come
        '/poll': { target },          // long polling: an answer takes up to 55 s
        '/send': { target },          // what clients on the last two say
      },
    },
  }
})
