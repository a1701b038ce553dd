/**
 * The usual way to use all CPUs with Socket.IO 4.8: `node:cluster` with the cluster adapter, and `socket.join(user)` to
 * address users. `node cluster-chat.js PORT WORKERS`; 0 workers: one process, without an adapter.
 */
import cluster from 'node:cluster'
import { createAdapter, setupPrimary } from '@socket.io/cluster-adapter'
import { Server } from 'socket.io'

const [, , port, count] = process.argv
const workers = Number(count)

interface Im {
  to: string
  text: string
}

if (cluster.isPrimary && workers > 0) {
  setupPrimary()
  for (let n = 0; n < workers; n++) cluster.fork()
  cluster.on('exit', () => cluster.fork())
} else {
  const shared = workers > 0 ? { adapter: createAdapter() } : {}
  const io = new Server({ ...shared, serveClient: false, perMessageDeflate: false })
  io.on('connection', socket => {
    socket.on('identify', (user: string, answer: (answer: unknown) => void) => {
      socket.data.user = user
      void socket.join(user)
      answer({ ok: true })
    })
    socket.on('im', ({ to, text }: Im) => {
      const from = socket.data.user as string
      io.to(to).to(from).emit('im', { from, to, text })
    })
  })
  io.listen(Number(port))
}
