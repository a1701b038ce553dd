/**
 * The usual way to use all CPUs with Socket.IO 4.8: `node:cluster` with the cluster adapter, and `socket.join(user)` to
 * address users. `node cluster-chat.js PORT WORKERS`
 */
import cluster from 'node:cluster'
import { createAdapter, setupPrimary } from '@socket.io/cluster-adapter'
import { Server } from 'socket.io'

const [, , port, workers] = process.argv

interface Im {
  to: string
  text: string
}

if (cluster.isPrimary) {
  setupPrimary()
  for (let n = 0; n < Number(workers); n++) cluster.fork()
  cluster.on('exit', () => cluster.fork())
} else {
  const io = new Server({ adapter: createAdapter(), serveClient: false, perMessageDeflate: false })
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
