/**
 * The usual way to build this with Socket.IO 4.8: the Redis adapter, with `socket.join(user)` to address users, and
 * `socket.join(room)` for rooms.
 */
import { createAdapter } from '@socket.io/redis-adapter'
import { createClient } from 'redis'
import { Server } from 'socket.io'

const [, , port, redisPort] = process.argv
const publisher = createClient({ url: `redis://127.0.0.1:${redisPort}` })
const subscriber = publisher.duplicate()
await Promise.all([publisher.connect(), subscriber.connect()])

interface Im {
  to: string
  text: string
}

const io = new Server({ adapter: createAdapter(publisher, subscriber), serveClient: false, perMessageDeflate: false })
io.on('connection', socket => {
  socket.on('identify', (user: string, answer: (answer: unknown) => void) => {
    socket.data.user = user
    void socket.join(user)
    answer({ ok: true })
  })
  socket.on('join', (room: string, answer: (answer: unknown) => void) => {
    void socket.join(room)
    answer({ ok: true })
  })
  socket.on('im', ({ to, text }: Im) => {
    const from = socket.data.user as string
    if (to.startsWith('#')) io.to(to).emit('im', { from, to, text })
    else io.to(to).to(from).emit('im', { from, to, text })
  })
})
io.listen(Number(port))
