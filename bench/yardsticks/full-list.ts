/**
 * A plain Socket.IO 4.8 server that sends the whole sorted user list to every client at each change, as the original
 * chat server does: one emit per client, or with the second argument `broadcast` one for all, which is encoded once.
 */
import { Server } from 'socket.io'

const [, , port, mode] = process.argv
const users = new Set<string>()
const io = new Server({ serveClient: false, perMessageDeflate: false, pingInterval: 5_000, pingTimeout: 60_000 })
const publish = () => {
  const payload = { list: [...users].sort() }
  if (mode === 'broadcast') io.emit('update_client', payload)
  else for (const socket of io.of('/').sockets.values()) socket.emit('update_client', payload)
}
io.on('connection', socket => {
  let name: string | undefined
  socket.on('identify', (user: string) => {
    name = user
    users.add(user)
    publish()
  })
  socket.on('disconnect', () => {
    if (name !== undefined && users.delete(name)) publish()
  })
})
io.listen(Number(port))
